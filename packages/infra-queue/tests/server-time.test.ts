import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { clockWarning, type ServerTime, serverTime } from '../src/drivers/bullmq/server-time.ts';

const SERVER = Date.parse('2026-01-01T00:00:00Z');
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: SERVER }));
afterEach(() => void vi.useRealTimers());

/** Asks a server whose clock is right on a machine that is `ahead`, where the answer takes `took`. */
function measure(time: ServerTime, ahead: number, took = 0): Promise<void> {
  const call = async (): Promise<string[]> => {
    vi.setSystemTime(SERVER + ahead + took);
    return [String(SERVER / 1000), String((took / 2) * 1000)];
  };
  vi.setSystemTime(SERVER + ahead);
  return time.measure({ call } as never);
}

test.each([
  [300_000, 0, 300_000],
  [-300_000, 0, -300_000],
  [300_000, 4000, 300_000],
  [900, 0, 0],
  [2000, 4000, 0],
])('a clock that is %i ms ahead, where the answer takes %i ms, counts as %i ms ahead', async (...given) => {
  const [ahead, took, known] = given;
  const time = serverTime();
  await measure(time, ahead, took);
  expect(time.ahead()).toBe(known);
  expect(time.now()).toBe(Date.now() - known);
});

test('a clock that was put right is believed again, by an answer that does not take long', async () => {
  const time = serverTime();
  await measure(time, 300_000);
  await measure(time, 0, 4000);
  expect(time.ahead()).toBe(300_000);
  await measure(time, 0);
  expect(time.ahead()).toBe(0);
});

test('a machine that is more than five seconds off is warned of', async () => {
  const time = serverTime();
  await measure(time, 4000);
  expect(clockWarning(time)).toBeUndefined();
  await measure(time, 60_000);
  expect(clockWarning(time)?.status).toBe('degraded');
  expect(clockWarning(time)?.message).toMatch(/60 s ahead of .* too early/);
  await measure(time, -60_000);
  expect(clockWarning(time)?.message).toMatch(/60 s behind .* too late/);
});
