import {
  type Duration,
  type ModuleInstance,
  onShutdown,
  operation,
  systemClock,
} from '@vibeonrails/infra-core';
import { decode, encode } from './codec.ts';
import { CacheClosedError, CacheKeyError, CacheValueError } from './errors.ts';
import { failsafe } from './failsafe.ts';
import { type CacheOptions, type CachePolicy, makeDriver, namespaceOf, ttlOf } from './options.ts';
import { singleFlight } from './single-flight.ts';

/**
 * A cache. Values are copied in and out: changing what `get` returned never changes the cache.
 *
 * While its server is away, a page goes on: `get`, `getMany` and `has` find nothing, and `getOrSet` loads. What
 * changes an entry rejects with `E_CACHE_UNAVAILABLE` or `E_CACHE_TIMEOUT`, since nobody may rely on what was not done.
 */
export interface Cache extends ModuleInstance {
  /** The value under `key`; `undefined` when there is none, it has expired, or it cannot be read. */
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
   * key while it runs wins over it. A cache that is away is as if it were empty.
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
  const namespace = namespaceOf(options);
  const flights = singleFlight();
  const safe = failsafe(driver.name, options.clock ?? systemClock);
  let closed = false;
  const forgetHook = onShutdown('cache', () => close());
  driver.watch?.(flights.supersede);

  const full = (key: string): string => {
    if (closed) throw new CacheClosedError();
    if (typeof key !== 'string' || key === '' || Buffer.byteLength(key) > MAX_KEY_BYTES)
      throw new CacheKeyError(key);
    return `${namespace}:${key}`;
  };
  /** What is under names; nothing at all when the cache is away. */
  const seek = (
    names: readonly string[],
    key: string,
  ): Promise<readonly (string | undefined)[] | undefined> =>
    safe.orElse(() => gets.trace(() => driver.get(names), { key, driver: driver.name }), undefined);

  const write = (key: string, value: unknown, policy: CachePolicy, ifAbsent: boolean): Promise<boolean> => {
    const name = full(key);
    const ttl = ttlOf(key, policy);
    if (value === undefined) throw new CacheValueError('', 'undefined, which is what a miss looks like,');
    const text = encode(value);
    flights.supersede([name]);
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
    get: async <T>(key: string) => read<T>((await seek([full(key)], key))?.[0]),
    getMany: async <T>(keys: readonly string[]) => {
      const names = keys.map(full);
      if (names.length === 0) return [];
      const texts = await seek(names, `${keys[0]} and ${keys.length - 1} more`);
      return names.map((_, i) => read<T>(texts?.[i]));
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
      const flight = (fresh: boolean): Promise<string | undefined> =>
        flights.run(name, async (superseded) => {
          const found = fresh ? [] : await seek([name], key);
          if (found?.[0] !== undefined) return found[0];
          const value = await loads.trace(async () => load(), { key, driver: driver.name });
          if (value === undefined) return undefined;
          const made = encode(value);
          // One that could not be read is not written either: nobody waits for it twice.
          if (found && !superseded()) await safe.orElse(() => driver.set(name, made, ttl), false);
          return made;
        });
      const text = await flight(false);
      const value = read<T>(text);
      if (value === undefined && text !== undefined) return read<T>(await flight(true)) as T;
      return value as T;
    },
    has: async (key) => (await safe.orElse(() => driver.get([full(key)]), []))[0] !== undefined,
    delete: async (keys) => {
      const names = (typeof keys === 'string' ? [keys] : keys).map(full);
      flights.supersede(names);
      return deletes.trace(() => driver.delete(names), { key: String(keys), driver: driver.name });
    },
    take: async <T>(key: string) => {
      const name = full(key);
      flights.supersede([name]);
      return read<T>(await driver.take(name));
    },
    increment: async (key, policy) => {
      const name = full(key);
      const ttl = ttlOf(key, policy);
      const by = typeof policy === 'object' ? (policy?.by ?? 1) : 1;
      flights.supersede([name]);
      return driver.increment(name, by, ttl);
    },
    touch: async (key, policy) => driver.touch(full(key), ttlOf(key, policy)),
    clear: async () => {
      const prefix = full('x').slice(0, -1);
      flights.supersede();
      await driver.clear(prefix);
    },
  };
  return cache;
}

/** The value of a text. One that cannot be read is none: another version or another program may have written it. */
function read<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return decode(text) as T;
  } catch {
    return undefined;
  }
}
