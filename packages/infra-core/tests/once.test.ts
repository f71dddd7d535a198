import { expect, test, vi } from 'vitest';
import { once } from '../src/index.ts';

test('the work is done once, however many ask while it is under way and after', async () => {
  const work = vi.fn(async () => ({}));
  const open = once(work);
  expect(work).not.toHaveBeenCalled();
  const [first, second] = await Promise.all([open(), open()]);
  expect(first).toBe(second);
  expect(await open()).toBe(first);
  expect(work).toHaveBeenCalledTimes(1);
});

test('a failure is that of all who wait for it, and the next call tries again', async () => {
  const work = vi
    .fn<() => Promise<string>>()
    .mockRejectedValueOnce(new Error('away'))
    .mockResolvedValue('there');
  const open = once(work);
  const outcomes = await Promise.allSettled([open(), open()]);
  expect(outcomes).toMatchObject([{ reason: { message: 'away' } }, { reason: { message: 'away' } }]);
  expect(open.done()).toBeUndefined();
  expect(await open()).toBe('there');
  expect(work).toHaveBeenCalledTimes(2);
});

test('done() starts nothing, and gives the work under way', async () => {
  const open = once(async () => 'done');
  expect(open.done()).toBeUndefined();
  const opened = open();
  expect(open.done()).toBe(opened);
  expect(await open.done()).toBe('done');
});

test('those who use it while it is under way go first, in their order; then nobody waits', async () => {
  let finish = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const open = once(() => ended);
  const seen: string[] = [];
  const use = (name: string) => open.use(async () => void seen.push(name));
  const [first, second] = [use('first'), use('second')];
  // In the middle of those that wait: it must not overtake any.
  const third = ended.then(() => use('third'));
  finish();
  await Promise.all([first, second, third]);
  expect(seen).toEqual(['first', 'second', 'third']);
  void use('at once');
  expect(seen.at(-1)).toBe('at once');
});

test('a failure is that of all who use it, and the next use tries again', async () => {
  const work = vi.fn<() => Promise<number>>().mockRejectedValueOnce(new Error('away')).mockResolvedValue(2);
  const open = once(work);
  const double = () => open.use(async (value) => value * 2);
  await expect(double()).rejects.toThrow('away');
  expect(await double()).toBe(4);
  expect(await double()).toBe(4);
  expect(work).toHaveBeenCalledTimes(2);
});
