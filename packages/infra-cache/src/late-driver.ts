import { isInfraError, once } from './core.ts';
import type { CacheDriver } from './driver.ts';
import { CacheUnavailableError } from './errors.ts';

/**
 * A driver whose code is loaded at its first use, so that importing the package costs next to nothing. It loads once,
 * however many ask meanwhile, and again after it could not be loaded.
 */
export function lateDriver(name: string, load: () => Promise<CacheDriver>): CacheDriver {
  const watchers: Parameters<NonNullable<CacheDriver['watch']>>[0][] = [];
  let driver: CacheDriver | undefined;
  const open = once(async () => {
    try {
      driver = await load();
    } catch (thrown) {
      throw coded(name, thrown);
    }
    for (const changed of watchers) driver.watch?.(changed);
    return driver;
  });

  return {
    name,
    ready: () => open.use((made) => made.ready()),
    get: (keys) => open.use((made) => made.get(keys)),
    set: (key, value, ttl, options) => open.use((made) => made.set(key, value, ttl, options)),
    delete: (keys) => open.use((made) => made.delete(keys)),
    take: (key) => open.use((made) => made.take(key)),
    increment: (key, by, ttl) => open.use((made) => made.increment(key, by, ttl)),
    touch: (key, ttl) => open.use((made) => made.touch(key, ttl)),
    clear: (prefix) => open.use((made) => made.clear(prefix)),
    watch(changed) {
      watchers.push(changed);
      driver?.watch?.(changed);
    },
    async close() {
      const opened = await open.done()?.catch(() => undefined);
      await opened?.close();
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
