import { REDIS_URL_FORM, redisVariables } from '@vibeonrails/infra-redis/variables';
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
} from './core.ts';
import type { CacheDriver } from './driver.ts';
import type { CacheMemoryOptions, CacheRedisOptions, RedisDriverOptions } from './drivers/redis.ts';
import type { CacheSettings } from './engine.ts';

/** How many bytes entries may take, and by which clock they expire. */
export interface EntriesOptions {
  /** The most memory the entries may take, in bytes. The least recently used go first. */
  readonly maxBytes: number;
  readonly clock: Clock;
}

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

/** A driver of this package that is chosen and not yet loaded, and what it is made from. */
export type ChosenDriver =
  | { readonly name: 'memory'; readonly with: EntriesOptions }
  | { readonly name: 'redis'; readonly with: RedisDriverOptions };

/** Completes the options. All that can be wrong with them is found here, before anything is loaded. @throws {@link ConfigError} `E_CONFIG` */
export function settingsOf(options: CacheOptions): CacheSettings {
  const { driver, clock = systemClock } = options;
  const namespace = options.namespace ?? config.read(options.env).CACHE_NAMESPACE;
  return {
    driver: typeof driver === 'object' ? driver : chosen(options, namespace, clock),
    namespace,
    clock,
  };
}

function chosen(options: CacheOptions, namespace: string, clock: Clock): ChosenDriver {
  const { redis = {}, env } = options;
  const values = config.read(env);
  const url = redis.url ?? values.CACHE_REDIS_URL ?? values.REDIS_URL;
  const reachable = Boolean(url ?? redis.client);
  const driver = chooseDriver<CacheDriverName>({
    module: 'cache',
    option: options.driver as CacheDriverName | undefined,
    variable: values.CACHE_DRIVER,
    present: { redis: reachable },
    embedded: 'memory',
    inProduction: 'warn',
    help: 'Each process has a cache of its own. Set CACHE_REDIS_URL or REDIS_URL to share one, or CACHE_DRIVER=memory to say that this is meant.',
    env,
  });
  const maxBytes = options.maxBytes ?? values.CACHE_MAX_BYTES;
  if (driver === 'memory') return { name: driver, with: { maxBytes, clock } };
  if (!reachable) throw noAddress();
  const made: RedisDriverOptions = {
    ...redis,
    ...(url === undefined ? {} : { url }),
    timeout: toMs(redis.timeout ?? '500ms'),
    connectTimeout: toMs(redis.connectTimeout ?? '5s'),
    namespace,
    memory: memoryOf(options.memory ?? false, maxBytes),
    clock,
  };
  return { name: driver, with: made };
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
