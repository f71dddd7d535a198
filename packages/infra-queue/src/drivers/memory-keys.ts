import type { Clock } from '@vibeonrails/infra-core';
import type { NewJob } from '../driver.ts';
import type { MemoryJob } from './memory-job.ts';

interface Held {
  readonly id: string;
  /** Ends a window; absent for a key that is held until its job has ended. */
  cancel?: (() => void) | undefined;
  /** The newest that came while the holder was active. */
  kept?: MemoryJob | undefined;
}

/** Which job holds which unique key, and which one is kept until it has ended. */
export interface UniqueKeys {
  /** The id of the job that holds the key of this one. */
  holder(job: NewJob): string | undefined;
  /** Gives the key of a job to it. A window that is open goes on, but for `keep-last`. The one that was kept behind the former holder. */
  take(job: NewJob): MemoryJob | undefined;
  /** Keeps a job until the holder of its key has ended. The one that was kept before. */
  keep(job: MemoryJob): MemoryJob | undefined;
  /** Keeps a job no more. False when it was not kept. */
  drop(job: MemoryJob): boolean;
  /** The job has ended. A window that is open goes on. The one that was kept until now. */
  release(job: NewJob): MemoryJob | undefined;
  /** The job was taken out before it ran: its key is free, window or not. The one that was kept until now. */
  giveUp(job: NewJob): MemoryJob | undefined;
  close(): void;
}

/** Makes {@link UniqueKeys}. */
export function uniqueKeys(clock: Clock): UniqueKeys {
  const held = new Map<string, Held>();
  const heldBy = ({ id, unique }: NewJob): Held | undefined => {
    const holder = unique && held.get(unique.key);
    return holder?.id === id ? holder : undefined;
  };
  return {
    holder: ({ unique }) => unique && held.get(unique.key)?.id,
    take({ id, unique }) {
      if (!unique) return undefined;
      const { key, ttl, onConflict } = unique;
      const former = held.get(key);
      const windowed = ttl !== undefined && onConflict !== 'keep-last';
      if (onConflict === 'keep-last') former?.cancel?.();
      const open = onConflict === 'keep-last' ? undefined : former?.cancel;
      held.set(key, {
        id,
        cancel: open ?? (windowed ? clock.after(ttl, () => held.delete(key)) : undefined),
      });
      return former?.kept;
    },
    keep(job) {
      const holder = held.get(job.given.unique?.key ?? '');
      if (!holder) return undefined;
      const former = holder.kept;
      holder.cancel?.();
      Object.assign(holder, { kept: job, cancel: undefined });
      return former;
    },
    drop(job) {
      const holder = held.get(job.given.unique?.key ?? '');
      if (holder?.kept !== job) return false;
      holder.kept = undefined;
      return true;
    },
    release(job) {
      const holder = heldBy(job);
      if (holder && !holder.cancel && job.unique) held.delete(job.unique.key);
      return holder?.kept;
    },
    giveUp(job) {
      const holder = heldBy(job);
      holder?.cancel?.();
      if (holder && job.unique) held.delete(job.unique.key);
      return holder?.kept;
    },
    close() {
      for (const { cancel } of held.values()) cancel?.();
      held.clear();
    },
  };
}
