import {
  type Clock,
  chooseDriver,
  type Duration,
  type Env,
  type ModuleInstance,
  onShutdown,
  operation,
  systemClock,
  toMs,
} from '@vibeonrails/infra-core';
import { decode, encode } from './codec.ts';
import { type CacheDriverName, config } from './config.ts';
import type { CacheDriver } from './driver.ts';
import { memoryDriver } from './drivers/memory.ts';
import { CacheClosedError, CacheKeyError, CacheTtlError, CacheValueError } from './errors.ts';
import { singleFlight } from './single-flight.ts';

/** How long an entry lives: a {@link Duration}, or options that hold one. There is no default on purpose. */
export type CachePolicy = Duration | { readonly ttl: Duration };

/** How a cache is made. */
export interface CacheOptions {
  /** A driver by name, or one of your own. @default CACHE_DRIVER, else memory */
  driver?: CacheDriverName | CacheDriver;
  /** Put before every key, so that several caches share a server. @default CACHE_NAMESPACE, else 'cache' */
  namespace?: string;
  /** The memory its entries may take, in bytes (memory driver). @default CACHE_MAX_BYTES, else 64 MiB */
  maxBytes?: number;
  /** @default the machine's clock */
  clock?: Clock;
  /** @default process.env */
  env?: Env;
}

/** A cache. Values are copied in and out: changing what `get` returned never changes the cache. */
export interface Cache extends ModuleInstance {
  /** The value under `key`; `undefined` when there is none or it has expired. */
  get<T = unknown>(key: string): Promise<T | undefined>;
  /** The values under `keys`, in their order, in one round trip. */
  getMany<T = unknown>(keys: readonly string[]): Promise<(T | undefined)[]>;
  /** Stores a value. @throws `E_CACHE_TTL`, `E_CACHE_KEY`, `E_CACHE_VALUE` or `E_CACHE_SIZE` when it cannot be stored. */
  set(key: string, value: unknown, policy: CachePolicy): Promise<void>;
  /** Stores several values under one policy. */
  setMany(
    entries: Readonly<Record<string, unknown>> | Iterable<readonly [string, unknown]>,
    policy: CachePolicy,
  ): Promise<void>;
  /** Stores a value only where there is none. True when it did. */
  add(key: string, value: unknown, policy: CachePolicy): Promise<boolean>;
  /**
   * The value under `key`, else what `load` returns, stored. However many ask at once, `load` runs once. What it
   * throws reaches all of them and is not stored; `undefined` is returned and not stored. A write or delete of the
   * key while it runs wins over it.
   */
  getOrSet<T>(key: string, policy: CachePolicy, load: () => T | Promise<T>): Promise<T>;
  /** True when a value is stored under `key`. */
  has(key: string): Promise<boolean>;
  /** Removes an entry, or several. The number of those that were there. */
  delete(keys: string | readonly string[]): Promise<number>;
  /** Returns the value and removes it, as one step: of several callers one gets it. */
  take<T = unknown>(key: string): Promise<T | undefined>;
  /** Adds `by` (default 1) to a counter and returns the sum. A new counter starts at 0 and expires after the policy's time. */
  increment(
    key: string,
    policy: Duration | { readonly ttl: Duration; readonly by?: number },
  ): Promise<number>;
  /** Gives an entry a new expiry. False when there is none. */
  touch(key: string, policy: CachePolicy): Promise<boolean>;
  /** Removes every entry of this cache; those of other namespaces stay. */
  clear(): Promise<void>;
  /** Its driver's name, such as `memory`. */
  readonly driver: string;
}

const gets = operation('cache.get');
const sets = operation('cache.set');
const deletes = operation('cache.delete');
const loads = operation('cache.load');

const MAX_KEY_BYTES = 1024;

/**
 * Makes a cache of its own, independent of the default one.
 *
 * @throws {@link ConfigError} `E_CONFIG` when one of its variables holds something else.
 */
export function createCache(options: CacheOptions = {}): Cache {
  const driver = makeDriver(options);
  const namespace = options.namespace ?? config.read(options.env).CACHE_NAMESPACE;
  const flights = singleFlight();
  let closed = false;
  const forgetHook = onShutdown('cache', () => close());

  const full = (key: string): string => {
    if (closed) throw new CacheClosedError();
    if (typeof key !== 'string' || key === '' || Buffer.byteLength(key) > MAX_KEY_BYTES)
      throw new CacheKeyError(key);
    return `${namespace}:${key}`;
  };
  const read = <T>(text: string | undefined): T | undefined =>
    text === undefined ? undefined : (decode(text) as T);

  const write = (key: string, value: unknown, policy: CachePolicy, ifAbsent: boolean): Promise<boolean> => {
    const name = full(key);
    const ttl = ttlOf(key, policy);
    if (value === undefined) throw new CacheValueError('', 'undefined, which is what a miss looks like,');
    const text = encode(value);
    flights.supersede(name);
    return sets.trace(() => driver.set(name, text, ttl, { ifAbsent }), { key, driver: driver.name });
  };

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    forgetHook();
    await driver.close();
  }

  const cache: Cache = {
    driver: driver.name,
    ready: () => driver.ready(),
    close,
    get: async <T>(key: string) => {
      const name = full(key);
      return gets.trace(async () => read<T>((await driver.get([name]))[0]), { key, driver: driver.name });
    },
    getMany: async <T>(keys: readonly string[]) => {
      const names = keys.map(full);
      if (names.length === 0) return [];
      return gets.trace(async () => (await driver.get(names)).map((text) => read<T>(text)), {
        key: `${keys[0]} and ${keys.length - 1} more`,
        driver: driver.name,
      });
    },
    set: async (key, value, policy) => {
      await write(key, value, policy, false);
    },
    setMany: async (entries, policy) => {
      const pairs = Symbol.iterator in entries ? [...entries] : Object.entries(entries);
      await Promise.all(pairs.map(([key, value]) => write(key, value, policy, false)));
    },
    add: async (key, value, policy) => write(key, value, policy, true),
    getOrSet: async <T>(key: string, policy: CachePolicy, load: () => T | Promise<T>) => {
      const name = full(key);
      const ttl = ttlOf(key, policy);
      // The flight carries the text, so that every caller gets a copy and a miss looks like a hit.
      const text = await flights.run(name, async (superseded) => {
        const [hit] = await gets.trace(() => driver.get([name]), { key, driver: driver.name });
        if (hit !== undefined) return hit;
        const value = await loads.trace(async () => load(), { key, driver: driver.name });
        if (value === undefined) return undefined;
        const made = encode(value);
        if (!superseded()) await driver.set(name, made, ttl);
        return made;
      });
      return read<T>(text) as T;
    },
    has: async (key) => (await driver.get([full(key)]))[0] !== undefined,
    delete: async (keys) => {
      const names = (typeof keys === 'string' ? [keys] : keys).map(full);
      for (const name of names) flights.supersede(name);
      return deletes.trace(() => driver.delete(names), { key: String(keys), driver: driver.name });
    },
    take: async <T>(key: string) => read<T>(await driver.take(full(key))),
    increment: async (key, policy) => {
      const by = typeof policy === 'object' ? (policy?.by ?? 1) : 1;
      return driver.increment(full(key), by, ttlOf(key, policy));
    },
    touch: async (key, policy) => driver.touch(full(key), ttlOf(key, policy)),
    clear: async () => driver.clear(full('x').slice(0, -1)),
  };
  return cache;
}

function makeDriver(options: CacheOptions): CacheDriver {
  if (typeof options.driver === 'object') return options.driver;
  const values = config.read(options.env);
  chooseDriver({
    module: 'cache',
    option: options.driver,
    variable: values.CACHE_DRIVER,
    embedded: 'memory',
    inProduction: 'warn',
    help: 'Each process has a cache of its own. Set CACHE_DRIVER=memory to say that is meant.',
    env: options.env,
  });
  return memoryDriver({
    maxBytes: options.maxBytes ?? values.CACHE_MAX_BYTES,
    clock: options.clock ?? systemClock,
  });
}

function ttlOf(key: string, policy: CachePolicy): number {
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
