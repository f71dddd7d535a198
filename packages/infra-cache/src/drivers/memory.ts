import type { Clock } from '@vibeonrails/infra-core';
import { LRUCache } from 'lru-cache';
import type { CacheDriver } from '../driver.ts';
import { CacheCounterError, CacheSizeError } from '../errors.ts';

/** How the memory driver is made. */
export interface MemoryDriverOptions {
  /** The most memory its entries may take, in bytes. The least recently used go first. */
  maxBytes: number;
  clock: Clock;
}

/** What an entry costs beside its text: the map slot, the list links and the expiry, measured with lru-cache 11. */
const ENTRY_OVERHEAD = 160;

/** Upper bound of the bytes an entry takes: V8 keeps a text in one or two bytes a character. */
const sizeOf = (key: string, value: string): number => 2 * (key.length + value.length) + ENTRY_OVERHEAD;

/** lru-cache keeps an entry up to and including its last millisecond; our entries are gone when their time is over. */
const lifetime = (ttl: number): number => Math.max(1, Math.round(ttl)) - 0.5;

/** Keeps entries in this process, up to a number of bytes. Gone when the process ends. */
export function memoryDriver({ maxBytes, clock }: MemoryDriverOptions): CacheDriver {
  const entries = new LRUCache<string, string>({
    maxSize: maxBytes,
    maxEntrySize: maxBytes,
    sizeCalculation: (value, key) => sizeOf(key, value),
    perf: clock,
    ttlResolution: 0,
  });

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
