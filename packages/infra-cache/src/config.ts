import { type Config, defineConfig, int, oneOf, type Reader, text } from '@vibeonrails/infra-core';
import { redisVariables } from '@vibeonrails/infra-redis/variables';

/** The drivers a cache can run on. */
export type CacheDriverName = 'memory' | 'redis';

/** The variables of the cache. */
export const config: Config<{
  readonly CACHE_DRIVER: Reader<CacheDriverName | undefined>;
  readonly CACHE_REDIS_URL: Reader<string | undefined>;
  readonly REDIS_URL: Reader<string | undefined>;
  readonly CACHE_NAMESPACE: Reader<string>;
  readonly CACHE_MAX_BYTES: Reader<number>;
}> = defineConfig(
  {
    CACHE_DRIVER: oneOf(['memory', 'redis'], { optional: true, description: 'where entries are kept' }),
    ...redisVariables('CACHE_REDIS_URL', 'the Redis of the cache; chooses it'),
    CACHE_NAMESPACE: text({ default: 'cache', description: 'put before every key' }),
    CACHE_MAX_BYTES: int({
      default: 64 * 1024 * 1024,
      min: 1024,
      description: 'memory of this process that entries may take',
    }),
  },
  { package: '@vibeonrails/infra-cache' },
);
