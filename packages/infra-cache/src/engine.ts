import type { CacheCalls } from './client.ts';
import { decode, encode } from './codec.ts';
import type { CachePolicy, ChosenDriver } from './config.ts';
import { type Clock, operation, toMs } from './core.ts';
import type { CacheDriver } from './driver.ts';
import { CacheKeyError, CacheTtlError, CacheValueError } from './errors.ts';
import { failsafe } from './failsafe.ts';
import { lateDriver } from './late-driver.ts';
import { singleFlight } from './single-flight.ts';

/** What a cache is made of, every option checked and every default filled in. */
export interface CacheSettings {
  readonly driver: ChosenDriver | CacheDriver;
  readonly namespace: string;
  readonly clock: Clock;
}

/** The working part of a cache. */
export interface Engine extends CacheCalls {
  close(): Promise<void>;
}

const gets = operation('cache.get');
const sets = operation('cache.set');
const deletes = operation('cache.delete');
const loads = operation('cache.load');

const MAX_KEY_BYTES = 1024;

/** Makes the working part of a cache. */
export function openEngine({ driver: chosen, namespace, clock }: CacheSettings): Engine {
  const driver = driverOf(chosen);
  const flights = singleFlight();
  const safe = failsafe(driver.name, clock);
  driver.watch?.(flights.supersede);

  const full = (key: string): string => {
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

  return {
    ready: () => driver.ready(),
    close: () => driver.close(),
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
}

/** The driver that was chosen; one of this package loads its library when it is first asked. */
export function driverOf(chosen: ChosenDriver | CacheDriver): CacheDriver {
  if ('get' in chosen) return chosen;
  return lateDriver(chosen.name, async () => {
    if (chosen.name === 'memory') {
      const { memoryDriver } = await import('./drivers/memory.ts');
      return memoryDriver(chosen.with);
    }
    const { redisDriver } = await import('./drivers/redis.ts');
    return redisDriver(chosen.with);
  });
}

/** The milliseconds of a policy. @throws {@link CacheTtlError} `E_CACHE_TTL` unless they are positive and finite. */
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

/** The value of a text. One that cannot be read is none: another version or another program may have written it. */
function read<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return decode(text) as T;
  } catch {
    return undefined;
  }
}
