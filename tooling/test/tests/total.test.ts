import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Tested } from '../src/packages.ts';
import { MISSED, OUTPUT, REPORT, total } from '../src/total.ts';

const STARTED = 1_000;

function tested(name: string): Tested {
  const folder = mkdtempSync(join(tmpdir(), 'infra-total-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, OUTPUT));
  return { name, folder };
}

function withReport(name: string, startTime: number, report: object = {}): Tested {
  const one = tested(name);
  const counts = {
    numPassedTests: 3,
    numFailedTests: 0,
    numPendingTests: 1,
    numTodoTests: 1,
    testResults: [],
  };
  writeFileSync(join(one.folder, OUTPUT, REPORT), JSON.stringify({ startTime, ...counts, ...report }));
  return one;
}

describe('the total', () => {
  test('adds up what passed and what was skipped', () => {
    const both = [withReport('a', STARTED), withReport('b', STARTED + 5)];
    expect(total(both, STARTED)).toEqual({
      passed: 6,
      failed: 0,
      skipped: 4,
      failures: [],
      unchanged: [],
      missed: [],
    });
  });

  test('names the packages that did not run again', () => {
    expect(total([withReport('a', STARTED - 1), withReport('b', STARTED)], STARTED)).toMatchObject({
      passed: 6,
      unchanged: ['a'],
    });
  });

  test('names each failed test with its file', () => {
    const one = tested('a');
    const assertionResults = [
      { status: 'passed', fullName: 'works' },
      { status: 'failed', fullName: 'does not' },
    ];
    const testResults = [
      { name: join(one.folder, 'tests/x.test.ts'), status: 'failed', message: '', assertionResults },
    ];
    const counts = { numPassedTests: 1, numFailedTests: 1, numPendingTests: 0, numTodoTests: 0 };
    writeFileSync(
      join(one.folder, OUTPUT, REPORT),
      JSON.stringify({ startTime: STARTED, ...counts, testResults }),
    );
    expect(total([one], STARTED)).toMatchObject({
      passed: 1,
      failed: 1,
      failures: ['a tests/x.test.ts: does not'],
    });
  });

  test('counts a file that does not load as a failure', () => {
    const one = tested('a');
    const testResults = [
      {
        name: join(one.folder, 'tests/x.test.ts'),
        status: 'failed',
        message: 'No such module\n  at x',
        assertionResults: [],
      },
    ];
    const counts = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
    writeFileSync(
      join(one.folder, OUTPUT, REPORT),
      JSON.stringify({ startTime: STARTED, ...counts, testResults }),
    );
    expect(total([one], STARTED)).toMatchObject({
      failed: 1,
      failures: ['a tests/x.test.ts: No such module'],
    });
  });

  test('counts a package without a report as a failure', () => {
    const [none, broken] = [tested('a'), tested('b')];
    writeFileSync(join(broken.folder, OUTPUT, REPORT), '{"startTime": 1');
    expect(total([none, broken], STARTED)).toMatchObject({
      passed: 0,
      failed: 2,
      failures: ['a: the run ended without a report', 'b: the run ended without a report'],
    });
  });

  test('collects the services that were missed', () => {
    const one = withReport('a', STARTED);
    writeFileSync(join(one.folder, OUTPUT, MISSED), '{"kind":"redis","reason":"no redis"}\n');
    expect(total([one], STARTED).missed).toEqual([{ kind: 'redis', reason: 'no redis' }]);
  });
});
