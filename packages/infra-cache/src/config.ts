import { type Config, defineConfig, int, oneOf, type Reader, text } from '@vibeonrails/infra-core';

/** The drivers a cache can run on. */
export type CacheDriverName = 'memory' | 'redis';

/** What a Redis address begins with. The rest is read by infra-redis, which is loaded with the driver. */
const SCHEME = /^rediss?(\+sentinel|\+cluster)?:\/\//i;
/** What an address looks like, for messages. */
export const REDIS_URL_FORM: string =
  'a URL that starts with redis://, redis+sentinel://, redis+cluster://, or rediss for TLS';

/** Its value is a secret: it may hold a password. */
const redisUrl: Reader<string | undefined> = {
  '~standard': {
    version: 1,
    vendor: '@vibeonrails/infra',
    validate: (value) =>
      value === undefined || SCHEME.test(String(value))
        ? { value: value as string | undefined }
        : { issues: [{ message: `expected ${REDIS_URL_FORM}` }] },
  },
  form: REDIS_URL_FORM,
  options: {
    optional: true,
    secret: true,
    fallback: 'REDIS_URL',
    description: 'the Redis of the cache; chooses it',
  },
};

/** The variables of the cache. */
export const config: Config<{
  readonly CACHE_DRIVER: Reader<CacheDriverName | undefined>;
  readonly CACHE_REDIS_URL: Reader<string | undefined>;
  readonly CACHE_NAMESPACE: Reader<string>;
  readonly CACHE_MAX_BYTES: Reader<number>;
}> = defineConfig(
  {
    CACHE_DRIVER: oneOf(['memory', 'redis'], { optional: true, description: 'where entries are kept' }),
    CACHE_REDIS_URL: redisUrl,
    CACHE_NAMESPACE: text({ default: 'cache', description: 'put before every key' }),
    CACHE_MAX_BYTES: int({
      default: 64 * 1024 * 1024,
      min: 1024,
      description: 'memory of this process that entries may take',
    }),
  },
  { package: '@vibeonrails/infra-cache' },
);
