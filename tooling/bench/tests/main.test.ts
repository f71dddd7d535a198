import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { main } from '../src/main.ts';
import type { Report } from '../src/report.ts';

const root = fileURLToPath(new URL('fixtures/', import.meta.url));

async function bench(...args: string[]): Promise<{ code: number; printed: string; said: string }> {
  const printed: string[] = [];
  const said: string[] = [];
  const code = await main(args, {
    root,
    print: (text) => printed.push(text),
    say: (line) => said.push(line),
  });
  return { code, printed: printed.join('\n'), said: said.join('\n') };
}

test('a run prints its rows as JSON, each figure from a process of its own', {
  timeout: 60_000,
}, async () => {
  const { code, printed, said } = await bench('sample', '--json', '--case', 'process ids');
  expect(code).toBe(0);
  const { module, machine, versions, rows, skipped } = JSON.parse(printed) as Report;
  expect({ module, versions, skipped }).toEqual({ module: 'sample', versions: {}, skipped: [] });
  expect(machine).toMatchObject({ node: process.version, date: expect.stringMatching(/^20\d\d-/) });
  expect(rows).toEqual([
    {
      case: 'process ids',
      unit: 'pid',
      ours: expect.any(Number),
      peers: {},
      baseline: null,
      ratio: null,
      target: null,
      met: null,
      spread: { ours: expect.any(Number) },
      rounds: 5,
    },
  ]);
  expect(rows[0]?.spread.ours).toBeGreaterThan(0);
  expect(said).toContain('process ids: round 5 of 5');
});

test('a module without benchmarks has an empty report', async () => {
  expect(await bench('empty')).toMatchObject({ code: 0, printed: expect.stringContaining('no figures') });
});

test('--help says how, and which modules there are', async () => {
  const { code, printed } = await bench('--help');
  expect(code).toBe(0);
  expect(printed).toContain('npx pnpm bench <module>');
  expect(printed).toContain('Modules: empty, sample');
});

test.each([
  [[], 'Which module?'],
  [['nowhere'], 'There is no module "nowhere". There are: empty, sample.'],
  [['sample', 'other'], 'One module at a time'],
  [['sample', '--quick'], "Unknown option '--quick'"],
  [['sample', '--rounds', 'many'], '--rounds takes a whole number from 1 up, not "many".'],
  [['sample', '--rounds', '4'], '--rounds takes 5 or more.'],
])('%o is a wrong command line: exit code 2, and how it is done', async (args, message) => {
  const { code, printed, said } = await bench(...args);
  expect(code).toBe(2);
  expect(printed).toBe('');
  expect(said).toContain(message);
  expect(said).toContain('Usage:');
});

test('the command itself runs on the real modules', () => {
  const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', cli, '--', '--help'], {
    encoding: 'utf8',
    cwd: fileURLToPath(new URL('..', import.meta.url)),
  });
  expect(status).toBe(0);
  expect(stdout).toMatch(/Modules: .*core/);
});
