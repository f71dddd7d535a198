import { expect, test } from 'vitest';
import { type Duration, toMs } from '../src/index.ts';

test.each([
  [0, 0],
  [1.5, 1.5],
  ['500ms', 500],
  ['30s', 30_000],
  ['1.5m', 90_000],
  ['2h', 7_200_000],
  ['7d', 604_800_000],
] satisfies [Duration, number][])('%s is %d ms', (duration, ms) => {
  expect(toMs(duration)).toBe(ms);
});

test.each([
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  '',
  '5',
  's',
  '-5s',
  '5 s',
  '5S',
  '1e3s',
  '5m30s',
  `${'9'.repeat(400)}d`,
  null,
  undefined,
  {},
  [5],
  Object.create(null),
])('%o is refused with a code', (value) => {
  expect(() => toMs(value as Duration)).toThrow(
    expect.objectContaining({ code: 'E_DURATION', message: expect.stringContaining("'30s'") }),
  );
});
