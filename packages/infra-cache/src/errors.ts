import { InfraError, type InfraErrorOptions } from './core.ts';

/** A write without an expiry, or with one that is not a positive, finite time. */
export class CacheTtlError extends InfraError {
  readonly key: string;

  constructor(key: string, ttl: unknown, cause?: unknown) {
    super(
      `Cannot cache "${key}" ${ttl === undefined ? 'without an expiry' : `with an expiry of ${String(ttl)}`}.`,
      {
        code: 'E_CACHE_TTL',
        help: "Give a time to live of more than 0, such as '5m': a cache entry that never expires is a leak.",
        cause,
      },
    );
    this.key = key;
  }
}

/** A key that is no text of 1 to 1024 bytes. */
export class CacheKeyError extends InfraError {
  constructor(key: unknown) {
    const seen =
      typeof key === 'string' ? `${Buffer.byteLength(key)} bytes, "${key.slice(0, 40)}…"` : typeof key;
    super(key === '' ? 'A cache key is empty.' : `This is no cache key: ${seen}.`, {
      code: 'E_CACHE_KEY',
      help: 'Use a text of 1 to 1024 bytes; hash what is longer.',
    });
  }
}

/** A value, or a part of one, that cannot be written down and read back. */
export class CacheValueError extends InfraError {
  /** Where in the value: `user.friends[2]`; empty for the value itself. */
  readonly path: string;

  constructor(steps: string, what: string) {
    const path = steps.replace(/^\./, '');
    super(`Cannot cache ${what}${path ? ` at ${path}` : ''}.`, {
      code: 'E_CACHE_VALUE',
      help: 'Cache plain data: JSON values, and Date, BigInt, Map, Set, Uint8Array and undefined inside them.',
    });
    this.path = path;
  }
}

/** An entry larger than the whole memory the cache may use. */
export class CacheSizeError extends InfraError {
  readonly key: string;

  constructor(key: string, bytes: number, maxBytes: number) {
    super(`"${key}" takes ${bytes} bytes, the cache holds ${maxBytes} in all.`, {
      code: 'E_CACHE_SIZE',
      help: 'Cache something smaller, or raise CACHE_MAX_BYTES.',
    });
    this.key = key;
  }
}

/** {@link CacheValueError}'s sibling for counters: the entry under the key is not a number. */
export class CacheCounterError extends InfraError {
  readonly key: string;

  constructor(key: string) {
    super(`Cannot count on "${key}": it holds something that is not a whole number.`, {
      code: 'E_CACHE_COUNTER',
      help: 'Count under a key of its own, written by increment() alone.',
    });
    this.key = key;
  }
}

/** The server of the cache cannot be reached, or refuses; the error underneath says why. */
export class CacheUnavailableError extends InfraError {
  constructor(problem: string, { retryable = true, help, cause }: Partial<InfraErrorOptions> = {}) {
    super(`The cache is not available: ${problem}`, {
      code: 'E_CACHE_UNAVAILABLE',
      retryable,
      ...(help === undefined ? {} : { help }),
      cause,
    });
  }
}

/** The server of the cache did not answer in time. Whether it did the work is not known. */
export class CacheTimeoutError extends InfraError {
  constructor(timeout: number, cause?: unknown) {
    super(`The cache did not answer within ${timeout} ms.`, {
      code: 'E_CACHE_TIMEOUT',
      retryable: true,
      help: 'It may have been done all the same: repeat only what can be repeated.',
      cause,
    });
  }
}

/** The cache was used after close(). */
export class CacheClosedError extends InfraError {
  constructor() {
    super('The cache is closed.', { code: 'E_CACHE_CLOSED', help: 'Create another one, or close it later.' });
  }
}
