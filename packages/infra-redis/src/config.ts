import { type Config, defineConfig, type Reader } from '@vibeonrails/infra-core';
import { FORM, parseRedisUrl } from './url.ts';

/** Reads an address that `parseRedisUrl` understands. Its value is a secret: it may hold a password. */
const redisUrl = (description: string): Reader<string | undefined> => ({
  '~standard': {
    version: 1,
    vendor: '@vibeonrails/infra',
    validate(text) {
      if (text === undefined) return { value: undefined };
      try {
        parseRedisUrl(String(text));
        return { value: String(text) };
      } catch {
        return { issues: [{ message: `expected ${FORM}` }] };
      }
    },
  },
  form: FORM,
  options: { optional: true, secret: true, description },
});

/** The variables of the Redis connections. */
export const config: Config<{
  readonly REDIS_URL: Reader<string | undefined>;
  readonly QUEUE_REDIS_URL: Reader<string | undefined>;
  readonly CACHE_REDIS_URL: Reader<string | undefined>;
  readonly REALTIME_REDIS_URL: Reader<string | undefined>;
}> = defineConfig(
  {
    REDIS_URL: redisUrl('the Redis of every module that has none of its own'),
    QUEUE_REDIS_URL: redisUrl('the Redis of the queue, which needs `noeviction`'),
    CACHE_REDIS_URL: redisUrl('the Redis of the cache, which usually evicts'),
    REALTIME_REDIS_URL: redisUrl('the Redis of realtime'),
  },
  { package: '@vibeonrails/infra-redis' },
);

/** Modules that can have a Redis of their own. */
export type RedisUser = 'queue' | 'cache' | 'realtime';

/** The variable that holds a module's own address. */
export const variableOf = (user: RedisUser): 'QUEUE_REDIS_URL' | 'CACHE_REDIS_URL' | 'REALTIME_REDIS_URL' =>
  `${user.toUpperCase() as Uppercase<RedisUser>}_REDIS_URL`;
