import type { Clock } from '@vibeonrails/infra-core';
import type { NewJob } from '../driver.ts';

interface Held {
  readonly id: string;
  /** Ends a window; absent for a key that is held until its job has ended. */
  readonly cancel?: () => void;
}

/** Which job holds which unique key. */
export interface UniqueKeys {
  /** The id of the job that holds the key of this one. */
  holder(job: NewJob): string | undefined;
  /** Gives the key of a job to it. A window that is open goes on. */
  take(job: NewJob): void;
  /** The job has ended. A window that is open goes on. */
  release(job: NewJob): void;
  /** The job was taken out before it ran: its key is free, window or not. */
  giveUp(job: NewJob): void;
  close(): void;
}

/** Makes {@link UniqueKeys}. */
export function uniqueKeys(clock: Clock): UniqueKeys {
  const held = new Map<string, Held>();
  return {
    holder: ({ unique }) => unique && held.get(unique.key)?.id,
    take({ id, unique }) {
      if (!unique) return;
      const { key, ttl } = unique;
      const open = held.get(key)?.cancel;
      const cancel = open ?? (ttl === undefined ? undefined : clock.after(ttl, () => held.delete(key)));
      held.set(key, cancel ? { id, cancel } : { id });
    },
    release({ id, unique }) {
      const holder = unique && held.get(unique.key);
      if (unique && holder?.id === id && !holder.cancel) held.delete(unique.key);
    },
    giveUp({ id, unique }) {
      const holder = unique && held.get(unique.key);
      if (!unique || holder?.id !== id) return;
      holder.cancel?.();
      held.delete(unique.key);
    },
    close() {
      for (const { cancel } of held.values()) cancel?.();
      held.clear();
    },
  };
}
