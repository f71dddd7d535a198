import { expect, test } from 'vitest';
import { benchmark } from '../src/benchmark.ts';
import { formatReport } from '../src/report.ts';
import { median, ratioOf, rowsOf, spread } from '../src/rows.ts';
import { thisMachine } from '../src/terminal.ts';

test('the median is the middle figure, or halfway between the two', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNull();
});

test('the spread is half the interquartile range over the median', () => {
  expect(spread([100, 100, 100])).toBe(0);
  expect(spread([80, 90, 100, 110, 120])).toBe(0.1);
  expect(spread([])).toBeNull();
  expect(spread([0, 0])).toBeNull();
});

test('the ratio is taken round by round: a round that was slow for both does not count against one', () => {
  expect(ratioOf([100, 10, 40], [100, 10, 80])).toBe(1);
  expect(ratioOf([50, 5, 5], [100, 10, 10])).toBe(0.5);
  expect(ratioOf([100], [])).toBeNull();
});

test('a target beside somebody who is no peer is refused', () => {
  const wrong = benchmark({
    case: 'c',
    unit: 'u',
    ours: () => 1,
    peers: {},
    targets: [{ baseline: 'ghost', atLeast: 1 }],
  });
  expect(() => rowsOf(wrong, new Map(), 5)).toThrow('"c" has a target beside "ghost"');
});

const declared = benchmark({
  case: 'fixed figures',
  unit: 'things',
  ours: () => 90,
  peers: { slower: () => 60, faster: () => 100 },
  targets: [
    { baseline: 'slower', atLeast: 1.2 },
    { baseline: 'faster', atLeast: 0.95 },
    { baseline: 'faster', atMost: 0.95 },
  ],
});
const figures = new Map([
  ['ours', [90, 90, 90]],
  ['slower', [60, 60, 60]],
  ['faster', [100, 100, 100]],
]);

test('a benchmark has one row a target, with medians, ratio and whether it is met', () => {
  const common = { case: 'fixed figures', unit: 'things', ours: 90, peers: { slower: 60, faster: 100 } };
  const more = { spread: { ours: 0, slower: 0, faster: 0 }, rounds: 3 };
  expect(rowsOf(declared, figures, 3)).toEqual([
    { ...common, baseline: 'slower', ratio: 1.5, target: '>= 1.2', met: true, ...more },
    { ...common, baseline: 'faster', ratio: 0.9, target: '>= 0.95', met: false, ...more },
    { ...common, baseline: 'faster', ratio: 0.9, target: '<= 0.95', met: true, ...more },
  ]);
});

test('a candidate without figures meets nothing', () => {
  const without = new Map([...figures, ['slower', []]]);
  expect(rowsOf(declared, without, 3)[0]).toMatchObject({ peers: { slower: null }, ratio: null, met: false });
});

test('the report for people has a line a candidate, with ratio, target and whether it is met', () => {
  const text = formatReport({
    module: 'sample',
    machine: thisMachine(),
    versions: { 'peer-library': '1.2.3' },
    rows: rowsOf(declared, figures, 3),
    skipped: [{ case: 'on a server', reason: 'there is no redis-server' }],
  });
  expect(text).toContain('sample: medians of 3 rounds, each candidate in a process of its own');
  expect(text).toContain(`Node.js ${process.version} · peer-library 1.2.3`);
  expect(text.split('\n').slice(-4).join('\n').replaceAll(/ +/g, ' ')).toBe(
    `fixed figures ours 90 things 0.0 %
 slower 60 things 0.0 % 1.50 × >= 1.2 yes
 faster 100 things 0.0 % 0.90 × >= 0.95 no
skipped: on a server: there is no redis-server`,
  );
});
