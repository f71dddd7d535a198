import { expect, test } from 'vitest';
import { type Backoff, backoffDelay } from '../src/backoff.ts';

const error = new Error('x');
const waits = (backoff: Backoff, random = 0, attempts = 12): number[] =>
  Array.from({ length: attempts }, (_, i) => backoffDelay(backoff, i + 1, error, () => random));

test('exponential starts at a second, doubles, and stops at ten minutes', () => {
  expect(waits('exponential')).toEqual([
    1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 600_000, 600_000,
  ]);
});

test('half of an exponential wait is left to chance', () => {
  expect(waits('exponential', 1, 3)).toEqual([500, 1000, 2000]);
  expect(waits('exponential', 0.5, 1)).toEqual([750]);
});

test('fixed waits a second each time, without chance', () => {
  expect(waits('fixed', 1, 3)).toEqual([1000, 1000, 1000]);
});

test('delay, cap and jitter are taken from the options', () => {
  expect(waits({ type: 'exponential', delay: '2s', max: '5s', jitter: 0 }, 1, 3)).toEqual([2000, 4000, 5000]);
  expect(waits({ type: 'fixed', delay: '4s', jitter: 1 }, 0.25, 1)).toEqual([3000]);
});

test('a huge attempt number still gives the cap', () => {
  expect(backoffDelay('exponential', 2000, error, () => 0)).toBe(600_000);
});

test('a function decides by attempt and error', () => {
  const byError: Backoff = (attempt, { message }) => (message === 'x' ? `${attempt}m` : 0);
  expect(waits(byError, 0, 2)).toEqual([60_000, 120_000]);
  expect(backoffDelay(byError, 1, new Error('y'))).toBe(0);
});
