import { type Gate, PARK } from '../driver.ts';
import type { MemoryJob } from './memory-job.ts';

/** Who is behind which gate, and who waits before it. */
export interface MemoryGates {
  /** As {@link QueueDriver.enter}. */
  enter(job: MemoryJob, gate: Gate, now: number): number;
  /** The job has ended its run, and is where its outcome put it. A job that waits and may be handed out now. */
  leave(job: MemoryJob): MemoryJob | undefined;
}

interface Places {
  readonly inside: Set<MemoryJob>;
  readonly parked: Set<MemoryJob>;
}

/** The last window that is given out, how many have it; the window of the last start, how many it had. */
interface Window {
  readonly number: number;
  readonly count: number;
  readonly at: number;
  readonly started: number;
  readonly ends: number;
}

/** More windows than this are looked through for those that are over. */
const MANY_WINDOWS = 10_000;

/** Makes {@link MemoryGates}. */
export function memoryGates(): MemoryGates {
  const places = new Map<string, Places>();
  const windows = new Map<string, Window>();
  /** The last one that started of those to keep apart. */
  const starts = new Map<string, { job: MemoryJob; ends: number }>();
  const gates = new WeakMap<MemoryJob, Gate>();
  const slots = new WeakMap<MemoryJob, { slot: number; per: number }>();

  const placesOf = (key: string): Places => {
    const found = places.get(key) ?? { inside: new Set(), parked: new Set() };
    places.set(key, found);
    return found;
  };
  const forgetOver = (all: Map<string, { ends: number }>, now: number): void => {
    if (all.size > MANY_WINDOWS) for (const [key, { ends }] of all) if (ends <= now) all.delete(key);
  };
  /**
   * The time from which a job may start: now or before, and it is counted. One that comes when its window is open, or late,
   * starts while the current window has had fewer starts than it may, and else gets another.
   */
  const slotOf = (job: MemoryJob, { key, limit, per }: NonNullable<Gate['rate']>, now: number): number => {
    forgetOver(windows, now);
    const current = Math.floor(now / per);
    let { number, count, at, started } = windows.get(key) ?? {
      number: current,
      count: 0,
      at: current,
      started: 0,
    };
    if (number < current) [number, count] = [current, 0];
    if (at !== current) [at, started] = [current, 0];
    const reserved = slots.get(job);
    let slot = reserved?.per === per ? reserved.slot : undefined;
    if (slot === undefined || (slot <= now && started >= limit)) {
      if (number === current) count = Math.max(count, started);
      if (count >= limit) [number, count] = [number + 1, 0];
      count += 1;
      slot = number * per;
    }
    if (slot <= now) started += 1;
    windows.set(key, { number, count, at, started, ends: (number + 1) * per });
    return slot;
  };

  return {
    enter(job, gate, now) {
      gates.set(job, gate);
      const { concurrency, rate, apart } = gate;
      const group = `${job.given.queue} ${apart?.key}`;
      const last = apart && starts.get(group);
      const open = last !== undefined && last.ends > now;
      if (open && last.job !== job) return last.ends - now;
      const at = concurrency && placesOf(`${job.given.queue} ${concurrency.key}`);
      if (at && !at.inside.has(job) && at.inside.size >= concurrency.limit) {
        at.parked.add(job);
        return PARK;
      }
      at?.parked.delete(job);
      if (rate) {
        const slot = slotOf(job, { ...rate, key: `${job.given.queue} ${rate.per} ${rate.key}` }, now);
        if (slot > now) {
          slots.set(job, { slot, per: rate.per });
          return slot - now;
        }
        slots.delete(job);
      }
      if (apart && !open) {
        forgetOver(starts, now);
        starts.set(group, { job, ends: now + apart.ms });
      }
      at?.inside.add(job);
      return 0;
    },
    leave(job) {
      const concurrency = gates.get(job)?.concurrency;
      gates.delete(job);
      if (!concurrency) return undefined;
      const key = `${job.given.queue} ${concurrency.key}`;
      const { inside, parked } = placesOf(key);
      inside.delete(job);
      if (inside.size >= concurrency.limit) return undefined;
      for (const next of parked) {
        if (next.state === 'delayed') return next;
        // One that is active is on its way here.
        if (next.state !== 'active') parked.delete(next);
      }
      if (inside.size === 0 && parked.size === 0) places.delete(key);
      return undefined;
    },
  };
}
