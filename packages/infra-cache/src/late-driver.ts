import { isInfraError } from '@vibeonrails/infra-core';
import type { CacheDriver } from './driver.ts';
import { CacheUnavailableError } from './errors.ts';

/**
 * A driver whose code is loaded at its first use, so that importing the package costs next to nothing. It loads once,
 * however many ask meanwhile, and again after it could not be loaded.
 */
export function lateDriver(name: string, load: () => Promise<CacheDriver>): CacheDriver {
  let loading: Promise<CacheDriver> | undefined;
  let driver: CacheDriver | undefined;
  let waiting = 0;
  const watchers: Parameters<NonNullable<CacheDriver['watch']>>[0][] = [];

  const open = (): Promise<CacheDriver> => {
    loading ??= load().then(
      (made) => {
        for (const changed of watchers) made.watch?.(changed);
        driver = made;
        return made;
      },
      (thrown: unknown) => {
        loading = undefined;
        throw thrown;
      },
    );
    return loading;
  };
  const call = <T>(work: (driver: CacheDriver) => Promise<T>): Promise<T> => {
    // Those who came while it was loading go first.
    if (driver && waiting === 0) return work(driver);
    waiting += 1;
    return open().then(
      (made) => {
        waiting -= 1;
        return work(made);
      },
      (thrown: unknown) => {
        waiting -= 1;
        throw coded(name, thrown);
      },
    );
  };

  return {
    name,
    ready: () => call((made) => made.ready()),
    get: (keys) => call((made) => made.get(keys)),
    set: (key, value, ttl, options) => call((made) => made.set(key, value, ttl, options)),
    delete: (keys) => call((made) => made.delete(keys)),
    take: (key) => call((made) => made.take(key)),
    increment: (key, by, ttl) => call((made) => made.increment(key, by, ttl)),
    touch: (key, ttl) => call((made) => made.touch(key, ttl)),
    clear: (prefix) => call((made) => made.clear(prefix)),
    watch(changed) {
      watchers.push(changed);
      driver?.watch?.(changed);
    },
    async close() {
      await loading?.then(
        (made) => made.close(),
        () => undefined,
      );
    },
  };
}

/** A setting that is wrong is named as it is; anything else is a library that is not there. */
function coded(name: string, thrown: unknown): unknown {
  if (isInfraError(thrown)) return thrown;
  return new CacheUnavailableError(`the ${name} driver cannot be loaded.`, {
    retryable: false,
    help: 'Install the dependencies anew.',
    cause: thrown,
  });
}
