import { type Cache, createCache, passedOn } from './client.ts';
import type { CacheOptions } from './config.ts';
import { defineModule, type HealthCheck, type ModuleHandle } from './core.ts';

/** The version in package.json. */
export const VERSION = '1.0.0';

/** The default cache of this process. */
export const handle: ModuleHandle<Cache, CacheOptions> = defineModule<Cache, CacheOptions>({
  module: 'cache',
  package: '@vibeonrails/infra-cache',
  version: VERSION,
  contract: 1,
  create: createCache,
  // Pages go on without the cache, more slowly.
  critical: false,
  async healthCheck(cache) {
    // Not the process id, which is 1 in every container.
    const key = `health:${crypto.randomUUID()}`;
    await cache.set(key, 'ok', '10s');
    const seen = await cache.take(key);
    return seen === 'ok'
      ? { status: 'ok', data: { driver: cache.driver } }
      : { status: 'error', message: `wrote a value to the ${cache.driver} cache and did not read it back` };
  },
});

const it = (): Cache => handle.instance();

/** The default cache, made from the environment at first use. */
export const cache: Cache = {
  get driver() {
    return it().driver;
  },
  close: () => it().close(),
  ...passedOn((work) => work(it())),
};

/**
 * Makes the default cache from `options`, before its first use.
 *
 * @throws {@link AlreadyConfiguredError} `E_CACHE_CONFIGURED` when it is in use, unless `replace` is true.
 */
export function configureCache(options: CacheOptions & { replace?: boolean }): Cache {
  return handle.configure(options);
}

/** Checks the default cache: writes a value and reads it back. For `registerHealthCheck('cache', cacheHealthCheck())`. */
export function cacheHealthCheck(): HealthCheck {
  return handle.healthCheck;
}
