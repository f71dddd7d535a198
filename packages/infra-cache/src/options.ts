import {
  type Clock,
  type Config,
  ConfigError,
  chooseDriver,
  type Duration,
  defineConfig,
  type Env,
  int,
  oneOf,
  type Reader,
  systemClock,
  text,
  toMs,
} from '@vibeonrails/infra-core';
import { REDIS_URL_FORM, redisVariables } from '@vibeonrails/infra-redis/url';
import type { CacheDriver } from './driver.ts';
import type { CacheMemoryOptions, CacheRedisOptions, RedisDriverOptions } from './drivers/redis.ts';
import { CacheTtlError } from './errors.ts';
import { lateDriver } from './late-driver.ts';

/** The drivers a cache can run on. */
export type CacheDriverName = 'memory' | 'redis';

/** The variables of the cache. */
const config: Config<{
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

/** How a cache is made. */
export interface CacheOptions {
  /** A driver by name, or one of your own. @default CACHE_DRIVER, else redis where there is an address of one, else memory */
  driver?: CacheDriverName | CacheDriver;
  /** Put before every key, so that several caches share a server. @default CACHE_NAMESPACE, else 'cache' */
  namespace?: string;
  /** The memory of this process that entries may take, in bytes. @default CACHE_MAX_BYTES, else 64 MiB */
  maxBytes?: number;
  /** How Redis is reached (redis driver). */
  redis?: CacheRedisOptions;
  /** Keeps what was read from Redis in this process too, until it changes (redis driver). @default false */
  memory?: boolean | CacheMemoryOptions;
  /** @default the machine's clock */
  clock?: Clock;
  /** @default process.env */
  env?: Env;
}

/** The namespace that the options or the environment name. */
export const namespaceOf = (options: CacheOptions): string =>
  options.namespace ?? config.read(options.env).CACHE_NAMESPACE;

/** Makes the driver that the options or the environment name. @throws {@link ConfigError} `E_CONFIG` */
export function makeDriver(options: CacheOptions): CacheDriver {
  if (typeof options.driver === 'object') return options.driver;
  const { redis = {}, env, clock = systemClock } = options;
  const values = config.read(env);
  const url = redis.url ?? values.CACHE_REDIS_URL ?? values.REDIS_URL;
  const reachable = Boolean(url ?? redis.client);
  const driver = chooseDriver<CacheDriverName>({
    module: 'cache',
    option: options.driver,
    variable: values.CACHE_DRIVER,
    present: { redis: reachable },
    embedded: 'memory',
    inProduction: 'warn',
    help: 'Each process has a cache of its own. Set CACHE_REDIS_URL or REDIS_URL to share one, or CACHE_DRIVER=memory to say that this is meant.',
    env,
  });
  const maxBytes = options.maxBytes ?? values.CACHE_MAX_BYTES;
  if (driver === 'memory')
    return lateDriver('memory', async () => {
      const { memoryDriver } = await import('./drivers/memory.ts');
      return memoryDriver({ maxBytes, clock });
    });
  if (!reachable) throw noAddress();
  const settings: RedisDriverOptions = {
    ...redis,
    ...(url === undefined ? {} : { url }),
    timeout: toMs(redis.timeout ?? '500ms'),
    connectTimeout: toMs(redis.connectTimeout ?? '5s'),
    namespace: namespaceOf(options),
    memory: memoryOf(options.memory ?? false, maxBytes),
    clock,
  };
  return lateDriver('redis', async () => {
    const { redisDriver } = await import('./drivers/redis.ts');
    return redisDriver(settings);
  });
}

/** The memory in front of Redis, complete and in milliseconds. */
function memoryOf(memory: boolean | CacheMemoryOptions, maxBytes: number): RedisDriverOptions['memory'] {
  if (memory === false) return undefined;
  const { ttl = '30s', ...own } = memory === true ? {} : memory;
  return { maxBytes, ...own, ttl: toMs(ttl) };
}

/** The redis driver was asked for and nothing says where it is. */
const noAddress = (): ConfigError =>
  new ConfigError([
    {
      variable: 'CACHE_REDIS_URL',
      package: '@vibeonrails/infra-cache',
      kind: 'missing',
      expected: `${REDIS_URL_FORM}, here or in REDIS_URL`,
    },
  ]);

/** How long an entry lives: a {@link Duration}, or options that hold one. There is no default on purpose. */
export type CachePolicy = Duration | { readonly ttl: Duration };

/** The milliseconds of a policy. @throws {@link CacheTtlError} `E_CACHE_TTL` unless they are positive and finite. */
export function ttlOf(key: string, policy: CachePolicy): number {
  const ttl = typeof policy === 'object' && policy !== null ? policy.ttl : policy;
  let ms = 0;
  try {
    ms = toMs(ttl);
  } catch (cause) {
    throw new CacheTtlError(key, ttl, cause);
  }
  if (ms > 0) return ms;
  throw new CacheTtlError(key, ttl);
}
