import { LRUCache } from 'lru-cache';
import type { EntriesOptions } from './config.ts';

/** Texts by key, each with an expiry. */
export type Entries = LRUCache<string, string>;

/** What an entry costs beside its text: the map slot, the list links and the expiry, measured with lru-cache 11. */
const ENTRY_OVERHEAD = 160;

/** Upper bound of the bytes an entry takes: V8 keeps a text in one or two bytes a character. */
export const sizeOf = (key: string, value: string): number =>
  2 * (key.length + value.length) + ENTRY_OVERHEAD;

/** lru-cache keeps an entry up to and including its last millisecond; our entries are gone when their time is over. */
export const lifetime = (ttl: number): number => Math.max(1, Math.round(ttl)) - 0.5;

/** Makes entries in memory, bounded in bytes. One that is larger than all of them is not kept. */
export function boundedEntries({ maxBytes, clock }: EntriesOptions): Entries {
  return new LRUCache<string, string>({
    maxSize: maxBytes,
    maxEntrySize: maxBytes,
    sizeCalculation: (value, key) => sizeOf(key, value),
    perf: clock,
    ttlResolution: 0,
  });
}
