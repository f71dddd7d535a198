import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const sample = fileURLToPath(new URL('../fixtures/sample', import.meta.url));

interface Outcome {
  readonly title: string;
  readonly status: string;
  readonly failureMessages: readonly string[];
}
let outcomes: readonly Outcome[];

beforeAll(async () => {
  const report = await runSample();
  outcomes = JSON.parse(report).testResults[0].assertionResults;
});

/** A run of its own, since most of the sample's examples are there to fail. */
async function runSample(): Promise<string> {
  const args = [vitest, 'run', '--root', sample, '--reporter', 'json'];
  return await new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: sample }, (_error, stdout) => resolve(stdout));
  });
}

const outcomeOf = (title: string): Outcome | undefined => outcomes.find((one) => one.title === title);

test('a block that runs on the source of its own package passes', () => {
  expect(outcomeOf('README.md:4 runs as printed')?.status).toBe('passed');
});

test('a failing block names its line and shows what the process printed', () => {
  const failed = outcomeOf('README.md:15 runs as printed');
  expect(failed?.failureMessages[0]).toContain('README.md:15 ended with exit code 1');
  expect(failed?.failureMessages[0]).toContain('the second block fails');
});

test('a file that is missing or has no example fails instead of passing silently', () => {
  expect(outcomeOf('SKILL.md has an example that runs')?.failureMessages[0]).toContain('does not exist');
  expect(outcomeOf('EMPTY.md has an example that runs')?.failureMessages[0]).toContain('no ```ts block');
});

test('a file of its own runs as it is, and one that fails is named', () => {
  expect(outcomeOf('examples/works.ts runs')?.status).toBe('passed');
  expect(outcomeOf('examples/fails.ts runs')?.failureMessages[0]).toContain('the example fails');
});

test('blocks in other languages are left alone', () => {
  expect(outcomes).toHaveLength(6);
});
