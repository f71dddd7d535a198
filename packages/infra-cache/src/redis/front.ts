import type { Clock } from '@vibeonrails/infra-core';
import { boundedEntries, lifetime } from '../entries.ts';
import type { TimedText } from './store.ts';

/** Entries in this process's memory, in front of those in Redis. It holds none while it cannot hear of changes. */
export interface Front {
  /** True while it may hold entries. */
  readonly on: boolean;
  /** From now on changes are heard of. */
  turnOn(): void;
  /** Changes may be missed: forgets everything. */
  turnOff(): void;
  get(key: string): string | undefined;
  /** Says that entries are about to be read from Redis. What is dropped before they arrive is not kept. */
  fill(keys: readonly string[]): Fill;
  /** Forgets entries that changed; without keys, all. */
  drop(keys?: readonly string[]): void;
}

/** Entries on their way from Redis. */
interface Fill {
  /** Keeps those that arrived. */
  keep(entries: readonly (TimedText | undefined)[]): void;
  /** Gives up. Harmless after `keep`. */
  end(): void;
}

/** How the memory is made. */
export interface FrontOptions {
  readonly maxBytes: number;
  /** The longest time an entry stays, in milliseconds. */
  readonly ttl: number;
  readonly clock: Clock;
}

/** Makes a {@link Front}, turned off. */
export function front({ maxBytes, ttl, clock }: FrontOptions): Front {
  const entries = boundedEntries({ maxBytes, clock });
  /** The latest fill of each key; taking it away is what keeps an old text out. */
  const filling = new Map<string, Fill>();
  let on = false;
  const dropAll = (): void => {
    entries.clear();
    filling.clear();
  };

  return {
    get on() {
      return on;
    },
    turnOn() {
      on = true;
    },
    turnOff() {
      on = false;
      dropAll();
    },
    get: (key) => entries.get(key),
    fill(keys) {
      // Counted from before the question, so that no entry stays longer here than there.
      const askedAt = clock.now();
      const fill: Fill = {
        keep(found) {
          const passed = clock.now() - askedAt;
          for (const [i, key] of keys.entries()) {
            const entry = found[i];
            const left = Math.floor(Math.min((entry?.ttl ?? 0) - passed, ttl));
            if (entry && left > 0 && filling.get(key) === fill)
              entries.set(key, entry.text, { ttl: lifetime(left) });
          }
        },
        end() {
          for (const key of keys) if (filling.get(key) === fill) filling.delete(key);
        },
      };
      if (on) for (const key of keys) filling.set(key, fill);
      return fill;
    },
    drop(keys) {
      if (!keys) return dropAll();
      for (const key of keys) {
        entries.delete(key);
        filling.delete(key);
      }
    },
  };
}
