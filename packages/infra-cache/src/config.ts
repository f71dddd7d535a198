import { type Config, defineConfig, int, oneOf, type Reader, text } from '@vibeonrails/infra-core';

/** The drivers a cache can run on. */
export type CacheDriverName = 'memory';

/** The variables of the cache. */
export const config: Config<{
  readonly CACHE_DRIVER: Reader<CacheDriverName | undefined>;
  readonly CACHE_NAMESPACE: Reader<string>;
  readonly CACHE_MAX_BYTES: Reader<number>;
}> = defineConfig(
  {
    CACHE_DRIVER: oneOf(['memory'], { optional: true, description: 'where entries are kept' }),
    CACHE_NAMESPACE: text({ default: 'cache', description: 'put before every key' }),
    CACHE_MAX_BYTES: int({
      default: 64 * 1024 * 1024,
      min: 1024,
      description: 'memory the entries may take',
    }),
  },
  { package: '@vibeonrails/infra-cache' },
);
