import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { atDeadline, systemClock } from '../src/index.ts';
import { fakeClock } from '../src/testing.ts';
import { run } from './child.ts';

test('the system clock tells the time of the machine', () => {
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000);
});

test('a timer longer than Node can hold does not fire early', () => {
  vi.useFakeTimers();
  try {
    const fn = vi.fn();
    systemClock.after(30 * 86_400_000, fn);
    vi.advanceTimersByTime(30 * 86_400_000 - 1);
    expect(fn).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(fn).toHaveBeenCalledOnce();
  } finally {
    vi.useRealTimers();
  }
});

test('a cancelled timer never fires, in its second leg neither', () => {
  vi.useFakeTimers();
  try {
    const fn = vi.fn();
    const cancel = systemClock.after(30 * 86_400_000, fn);
    vi.advanceTimersByTime(29 * 86_400_000);
    cancel();
    vi.advanceTimersByTime(29 * 86_400_000);
    expect(fn).not.toHaveBeenCalled();
  } finally {
    vi.useRealTimers();
  }
});

test('a timer does not keep the process alive', async () => {
  const child = run(`
    import { systemClock } from '@vibeonrails/infra-core';
    systemClock.after(600_000, () => {});
  `);
  expect(await child.ended).toBe(0);
});

test('the fake clock fires timers in the order of their time and lets what they start settle', async () => {
  const clock = fakeClock(0);
  const seen: string[] = [];
  clock.after(20, () => seen.push(`b at ${clock.now()}`));
  clock.after(10, async () => {
    seen.push(`a at ${clock.now()}`);
    await Promise.resolve();
    clock.after(5, () => seen.push(`c at ${clock.now()}`));
  });
  clock.after(31, () => seen.push('too late'));
  await clock.advance('30ms');
  expect(seen).toEqual(['a at 10', 'c at 15', 'b at 20']);
  expect(clock.now()).toBe(30);
  expect(clock.pending()).toBe(1);
});

test('the fake clock stands still and forgets a cancelled timer', async () => {
  const clock = fakeClock(new Date('2026-05-01T00:00:00Z'));
  const fn = vi.fn();
  const cancel = clock.after(10, fn);
  cancel();
  expect(clock.now()).toBe(Date.UTC(2026, 4, 1));
  await clock.advance('1h');
  expect(fn).not.toHaveBeenCalled();
});

test('a deadline is kept to, and may be called off', async () => {
  const up: string[] = [];
  const from = performance.now();
  atDeadline(systemClock, 30, () => up.push(`after ${Math.floor((performance.now() - from) / 20)}`));
  atDeadline(systemClock, 10, () => up.push('called off'))();
  await sleep(80);
  expect(up).toHaveLength(1);
  expect(up[0]).toMatch(/^after [1-3]$/);
});

test('a deadline gives the time back that something kept the process busy, once', async () => {
  const up: number[] = [];
  atDeadline(systemClock, 40, () => up.push(1));
  for (const end = Date.now() + 160; Date.now() < end; );
  await sleep(5);
  expect(up).toEqual([]);
  await sleep(100);
  expect(up).toEqual([1]);
});
