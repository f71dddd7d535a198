import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { randomFrom } from '../src/chaos.ts';
import { main, type Report } from '../src/main.ts';

async function chaos(root: URL, ...args: string[]): Promise<{ code: number; printed: string; said: string }> {
  const printed: string[] = [];
  const said: string[] = [];
  const code = await main(args, {
    root: fileURLToPath(root),
    print: (text) => printed.push(text),
    say: (line) => said.push(line),
  });
  return { code, printed: printed.join('\n'), said: said.join('\n') };
}

const fixtures = new URL('fixtures/', import.meta.url);
const real = new URL('../modules/', import.meta.url);

test('each run is a row with its seed, counted up from the first', { timeout: 60_000 }, async () => {
  const { code, printed, said } = await chaos(
    fixtures,
    'sample',
    '--json',
    '--seed',
    '7',
    '--case',
    'always met',
  );
  expect(code).toBe(0);
  const { rows } = JSON.parse(printed) as Report;
  expect(rows).toMatchObject([
    { case: 'always met', seed: 7, met: true },
    { case: 'always met', seed: 8, met: true },
  ]);
  expect(rows[0]?.seen).not.toEqual(rows[1]?.seen);
  expect(said).toBe('always met: seed 7 met\nalways met: seed 8 met');
});

test('the same seed has the same run again', { timeout: 60_000 }, async () => {
  const args = ['sample', '--json', '--seed', '7', '--runs', '1', '--case', 'always met'];
  const [first, second] = [await chaos(fixtures, ...args), await chaos(fixtures, ...args)];
  const rows = ({ printed }: { printed: string }): Report['rows'] => (JSON.parse(printed) as Report).rows;
  expect(rows(first)).toEqual(rows(second));
  expect(rows(first)).toHaveLength(1);
});

test('without a seed one is drawn and named', async () => {
  const { printed } = await chaos(fixtures, 'sample', '--json', '--runs', '1', '--case', 'always met');
  expect((JSON.parse(printed) as Report).rows[0]?.seed).toBeGreaterThan(0);
});

test('what is not met is shown with its seed, and the exit code is 1', async () => {
  const { code, printed } = await chaos(fixtures, 'sample', '--seed', '5', '--case', 'loses one');
  expect(code).toBe(1);
  expect(printed).toContain('0 of 1');
  expect(printed).toContain('loses one, --seed 5\n  expected {"lines":5}\n  seen     {"lines":4}');
});

test('a case that crashes is a row that is not met, with what it said', async () => {
  const { code, printed } = await chaos(fixtures, 'sample', '--json', '--case', 'crashes');
  expect(code).toBe(1);
  expect((JSON.parse(printed) as Report).rows[0]).toMatchObject({
    met: false,
    expected: 'a run to its end',
    seen: expect.stringContaining('the case itself is broken'),
  });
});

test('--help says how, and which modules there are', async () => {
  const { code, printed } = await chaos(fixtures, '-h');
  expect(code).toBe(0);
  expect(printed).toContain('Modules: sample');
});

test.each([
  [[], 'Which module?'],
  [['nowhere'], 'There is no module "nowhere"'],
  [['sample', '--seed', '-1'], '--seed'],
])('%o is a wrong command line: exit code 2', async (args, message) => {
  const { code, said } = await chaos(fixtures, ...args);
  expect(code).toBe(2);
  expect(said).toContain(message);
});

test('chance follows from the seed, stays in its bounds and reaches all of them', () => {
  const draw = (seed: number): number[] => {
    const random = randomFrom(seed);
    return Array.from({ length: 200 }, () => random.below(10));
  };
  expect(draw(3)).toEqual(draw(3));
  expect(draw(3)).not.toEqual(draw(4));
  expect(new Set(draw(3))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
});

test('core keeps every log line and every shutdown hook (the short form)', { timeout: 60_000 }, async () => {
  const { code, printed } = await chaos(real, 'core', '--json', '--runs', '2');
  expect((JSON.parse(printed) as Report).rows.filter((row) => !row.met)).toEqual([]);
  expect(code).toBe(0);
});
