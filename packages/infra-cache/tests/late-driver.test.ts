import { fakeClock } from '@vibeonrails/infra-core/testing';
import { expect, test, vi } from 'vitest';
import type { CacheDriver } from '../src/driver.ts';
import { memoryDriver } from '../src/drivers/memory.ts';
import { CacheUnavailableError } from '../src/index.ts';
import { lateDriver } from '../src/late-driver.ts';

/** A driver that is loaded when it is told to be; what it was asked, in order. */
function late() {
  const asked: string[] = [];
  const real = memoryDriver({ maxBytes: 10_000, clock: fakeClock() });
  const changed = vi.fn();
  const made: CacheDriver = {
    ...real,
    set: (key, value, ...rest) => {
      asked.push(value);
      return real.set(key, value, ...rest);
    },
    watch: changed,
    close: async () => void asked.push('closed'),
  };
  const loads: PromiseWithResolvers<CacheDriver>[] = [];
  const load = () => {
    const one = withResolvers<CacheDriver>();
    loads.push(one);
    return one.promise;
  };
  return { driver: lateDriver('memory', load), asked, changed, loads, made };
}
interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}
function withResolvers<T>(): PromiseWithResolvers<T> {
  let settle: Pick<PromiseWithResolvers<T>, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  if (!settle) throw new Error('a promise runs its executor at once');
  return { promise, ...settle };
}

test('it loads at the first call and once, and does what was asked meanwhile in its order', async () => {
  const { driver, asked, loads, made } = late();
  expect([driver.name, loads.length]).toEqual(['memory', 0]);
  const first = driver.set('k', '1', 1000).then(() => driver.set('k', '3', 1000));
  const second = driver.set('k', '2', 1000);
  loads[0]?.resolve(made);
  // In the middle of those that wait: it must not overtake any.
  const third = loads[0]?.promise.then(() => driver.set('k', '2b', 1000));
  await Promise.all([first, second, third]);
  expect(asked.slice(0, 3)).toEqual(['1', '2', '2b']);
  await driver.set('k', '4', 1000);
  expect(await driver.get(['k'])).toEqual(['4']);
  expect(loads.length).toBe(1);
});

test('a library that is not there is a coded error of every call, and is tried again', async () => {
  const { driver, loads, made } = late();
  const calls = Promise.allSettled([driver.ready(), driver.get(['k'])]);
  const cause = new Error('Cannot find package');
  loads[0]?.reject(cause);
  for (const outcome of await calls)
    expect(outcome).toMatchObject({
      status: 'rejected',
      reason: { code: 'E_CACHE_UNAVAILABLE', retryable: false, cause },
    });
  const again = driver.get(['k']);
  loads[1]?.resolve(made);
  expect(await again).toEqual([undefined]);
});

test('a coded error of its making passes as it is', async () => {
  const { driver, loads } = late();
  const ready = driver.ready();
  const error = new CacheUnavailableError('it is unplugged.');
  loads[0]?.reject(error);
  await expect(ready).rejects.toBe(error);
});

test('who watches hears of changes, whether it watched before or after loading', async () => {
  const { driver, changed, loads, made } = late();
  const [before, after] = [vi.fn(), vi.fn()];
  driver.watch?.(before);
  const ready = driver.ready();
  loads[0]?.resolve(made);
  await ready;
  driver.watch?.(after);
  expect(changed.mock.calls).toEqual([[before], [after]]);
});

test('close waits for what is being loaded, and loads nothing itself', async () => {
  const { driver, asked, loads, made } = late();
  await driver.close();
  expect(loads.length).toBe(0);
  const ready = driver.ready();
  const closed = driver.close();
  loads[0]?.resolve(made);
  await Promise.all([ready, closed]);
  expect(asked).toEqual(['closed']);
  const failing = late();
  const refused = expect(failing.driver.ready()).rejects.toMatchObject({ code: 'E_CACHE_UNAVAILABLE' });
  const closing = failing.driver.close();
  failing.loads[0]?.reject(new Error('gone'));
  await Promise.all([refused, closing]);
});
