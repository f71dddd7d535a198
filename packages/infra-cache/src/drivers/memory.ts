import type { EntriesOptions } from '../config.ts';
import type { CacheDriver } from '../driver.ts';
import { boundedEntries, lifetime, sizeOf } from '../entries.ts';
import { CacheCounterError, CacheSizeError } from '../errors.ts';

/** Keeps entries in this process, up to a number of bytes. Gone when the process ends. */
export function memoryDriver({ maxBytes, clock }: EntriesOptions): CacheDriver {
  const entries = boundedEntries({ maxBytes, clock });

  return {
    name: 'memory',
    ready: async () => undefined,
    get: async (keys) => keys.map((key) => entries.get(key)),
    async set(key, value, ttl, { ifAbsent = false } = {}) {
      if (ifAbsent && entries.has(key)) return false;
      const size = sizeOf(key, value);
      if (size > maxBytes) throw new CacheSizeError(key, size, maxBytes);
      entries.set(key, value, { ttl: lifetime(ttl) });
      return true;
    },
    async delete(keys) {
      return keys.filter((key) => {
        const live = entries.has(key);
        entries.delete(key);
        return live;
      }).length;
    },
    async take(key) {
      const value = entries.get(key);
      entries.delete(key);
      return value;
    },
    async increment(key, by, ttl) {
      const former = entries.get(key);
      const sum = Number(former ?? 0) + by;
      if (!/^-?\d+$/.test(former ?? '0') || !Number.isSafeInteger(sum)) throw new CacheCounterError(key);
      entries.set(key, String(sum), {
        ttl: former === undefined ? lifetime(ttl) : entries.getRemainingTTL(key),
      });
      return sum;
    },
    async touch(key, ttl) {
      const value = entries.get(key);
      if (value === undefined) return false;
      entries.set(key, value, { ttl: lifetime(ttl) });
      return true;
    },
    async clear(prefix) {
      for (const key of [...entries.keys()]) if (key.startsWith(prefix)) entries.delete(key);
    },
    close: async () => entries.clear(),
  };
}
