import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { benchmarksOf } from '../src/catalogue.ts';
import type { Rounds } from '../src/rows.ts';
import { rotated, runBenchmark } from '../src/run.ts';

const root = fileURLToPath(new URL('fixtures/', import.meta.url));

async function run(name: string): Promise<{ figures: ReadonlyMap<string, Rounds>; said: string[] }> {
  const found = (await benchmarksOf(root, 'sample')).find(({ benchmark }) => benchmark.case === name);
  if (!found) throw new Error(`no case ${name}`);
  const said: string[] = [];
  const figures = await runBenchmark(found, { rounds: 2, env: {}, say: (line) => said.push(line) });
  return { figures, said };
}

test('every candidate has a figure a round', { timeout: 60_000 }, async () => {
  const { figures, said } = await run('fixed figures');
  expect(figures).toEqual(
    new Map([
      ['ours', [90, 90]],
      ['faster', [100, 100]],
    ]),
  );
  expect(said).toEqual(['fixed figures: round 1 of 2', 'fixed figures: round 2 of 2']);
});

test('a candidate that fails is said once, has no figure, and fails nothing else', {
  timeout: 60_000,
}, async () => {
  const { figures, said } = await run('broken candidates');
  expect(Object.fromEntries(figures)).toEqual({ ours: [1, 1], throws: [], 'no figure': [] });
  const text = said.join('\n');
  expect(text.match(/throws failed/g)).toHaveLength(1);
  expect(text).toContain('this peer is broken');
  expect(text).toContain('which is no figure');
});

test('each round begins with another candidate', () => {
  expect([0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''))).toEqual([
    'abc',
    'bca',
    'cab',
    'abc',
  ]);
});
