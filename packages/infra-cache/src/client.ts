import { type CacheOptions, type CachePolicy, settingsOf } from './config.ts';
import { type Duration, type ModuleInstance, once, onShutdown } from './core.ts';
import { CacheClosedError } from './errors.ts';

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

/** The calls of a cache. */
export type CacheCalls = Omit<Cache, 'driver' | 'close'>;

/**
 * Makes a cache of its own, independent of the default one. What it does loads when it is first used, or by `ready()`.
 *
 * @throws {@link ConfigError} `E_CONFIG` when one of its variables holds something else.
 */
export function createCache(options: CacheOptions = {}): Cache {
  const settings = settingsOf(options);
  const { driver } = settings;
  let closing: Promise<void> | undefined;
  const forgetHook = onShutdown('cache', () => close());
  const open = once(async () => {
    const { openEngine } = await import('./engine.ts');
    return openEngine(settings);
  });
  function close(): Promise<void> {
    closing ??= (async () => {
      forgetHook();
      const opened = await open.done()?.catch(() => undefined);
      await (opened ?? ('close' in driver ? driver : undefined))?.close();
    })();
    return closing;
  }
  return {
    driver: driver.name,
    close,
    ...passedOn((work) => (closing ? Promise.reject(new CacheClosedError()) : open.use(work))),
  };
}

/** The calls of a cache, each passed on by `call`. */
export function passedOn(call: <R>(work: (calls: CacheCalls) => Promise<R>) => Promise<R>): CacheCalls {
  return {
    ready: () => call((it) => it.ready()),
    get: <T>(key: string) => call((it) => it.get<T>(key)),
    getMany: <T>(keys: readonly string[]) => call((it) => it.getMany<T>(keys)),
    set: (key, value, policy) => call((it) => it.set(key, value, policy)),
    setMany: (entries, policy) => call((it) => it.setMany(entries, policy)),
    add: (key, value, policy) => call((it) => it.add(key, value, policy)),
    getOrSet: (key, policy, load) => call((it) => it.getOrSet(key, policy, load)),
    has: (key) => call((it) => it.has(key)),
    delete: (keys) => call((it) => it.delete(keys)),
    take: <T>(key: string) => call((it) => it.take<T>(key)),
    increment: (key, policy) => call((it) => it.increment(key, policy)),
    touch: (key, policy) => call((it) => it.touch(key, policy)),
    clear: () => call((it) => it.clear()),
  };
}
