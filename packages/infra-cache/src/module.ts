import { defineModule, type ModuleHandle } from '@vibeonrails/infra-core';
import { type Cache, createCache } from './cache.ts';
import type { CacheOptions } from './options.ts';
import { VERSION } from './version.ts';

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
