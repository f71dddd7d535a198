/** How {@link CacheDriver.set} writes. */
export interface SetOptions {
  /** Write only where nothing is stored under the key. @default false */
  readonly ifAbsent?: boolean;
}

/**
 * What every cache driver does. It stores text under keys, each entry with an expiry; the cache above it does the
 * encoding, the checks and the single flight. `cacheDriverSuite()` in `./testing` proves a driver.
 *
 * A call that its server does not answer rejects within a bounded time with `E_CACHE_UNAVAILABLE` or
 * `E_CACHE_TIMEOUT`; the cache above makes a miss of it where it was a read.
 */
export interface CacheDriver {
  /** Its name in health reports and telemetry. */
  readonly name: string;
  /** Resolves when it can serve; rejects with a coded error when it never will. Idempotent. */
  ready(): Promise<void>;
  /** The texts under `keys`, in their order; `undefined` where there is none or it has expired. */
  get(keys: readonly string[]): Promise<(string | undefined)[]>;
  /** Stores `value` for `ttl` milliseconds. False when `ifAbsent` kept it from writing. */
  set(key: string, value: string, ttl: number, options?: SetOptions): Promise<boolean>;
  /** Removes entries; the number of those that were there and had not expired. */
  delete(keys: readonly string[]): Promise<number>;
  /** Returns the text under `key` and removes it, as one step: of several callers one gets it. */
  take(key: string): Promise<string | undefined>;
  /**
   * Adds `by` to the whole number under `key`, as one step, and returns the sum. A missing entry counts as 0 and is
   * made with `ttl`; an existing one keeps its expiry. Rejects with `E_CACHE_COUNTER` when the text is no whole number.
   */
  increment(key: string, by: number, ttl: number): Promise<number>;
  /** Gives an entry a new expiry. False when there is none. */
  touch(key: string, ttl: number): Promise<boolean>;
  /** Removes every entry whose key starts with `prefix`, whatever characters are in it. */
  clear(prefix: string): Promise<void>;
  /**
   * Tells of what others wrote or removed, where the driver hears of it: the keys, or nothing when it may be any. A
   * load of such a key that is under way is then not stored.
   */
  watch?(changed: (keys?: readonly string[]) => void): void;
  /** Releases connections, timers and memory. Idempotent. */
  close(): Promise<void>;
}
