import { type Gate, LONGEST_PARK, PARK } from '../driver.ts';
import type { MemoryJob } from './memory-job.ts';

/** Who is behind which gate, and who waits before it. */
export interface MemoryGates {
  /** As {@link QueueDriver.enter}. */
  enter(job: MemoryJob, gate: Gate, now: number): number;
  /** The job has ended its run, and is where its outcome put it. Those that wait and may be handed out now. */
  leave(job: MemoryJob, now: number): readonly MemoryJob[];
  /** The job was taken out. Those that wait and may be handed out now, as the place that was kept for it is free. */
  forget(job: MemoryJob, now: number): readonly MemoryJob[];
}

/** Of one key: who is inside, for whom a place is kept until when, and who waits, by rank. */
interface Places {
  readonly inside: Set<MemoryJob>;
  readonly kept: Map<MemoryJob, number>;
  readonly lines: readonly Set<MemoryJob>[];
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

const NOBODY: readonly MemoryJob[] = [];

/** True for a job that is in no list of its queue any more: it was cancelled, or replaced. */
const isGone = ({ state, place }: MemoryJob): boolean =>
  state === 'completed' || state === 'dead' || (state !== 'active' && place < 0);

/** The time from which a job may start, and how the windows of its key are then. */
function nextSlot(
  { number, count, at, started }: Window,
  reserved: number | undefined,
  { limit, per }: NonNullable<Gate['rate']>,
  now: number,
): Window & { slot: number } {
  const current = Math.floor(now / per);
  const starts = at === current ? started : 0;
  let window = number < current ? { number: current, count: 0 } : { number, count };
  let slot = reserved;
  // One that comes late starts while the current window has had fewer starts than it may, and else gets another.
  if (slot === undefined || (slot <= now && starts >= limit)) {
    if (window.number === current) window.count = Math.max(window.count, starts);
    if (window.count >= limit) window = { number: window.number + 1, count: 0 };
    window.count += 1;
    slot = window.number * per;
  }
  const ends = (window.number + 1) * per;
  return { ...window, at: current, started: slot <= now ? starts + 1 : starts, ends, slot };
}

/** Makes {@link MemoryGates}. */
export function memoryGates(): MemoryGates {
  const places = new Map<string, Places>();
  const windows = new Map<string, Window>();
  /** The last one that started of those to keep apart. */
  const starts = new Map<string, { job: MemoryJob; ends: number }>();
  const gates = new WeakMap<MemoryJob, Gate>();
  const slots = new WeakMap<MemoryJob, { slot: number; per: number }>();
  const keepers = new WeakMap<MemoryJob, { at: Places; limit: number }>();

  const placesOf = (key: string): Places => {
    const found = places.get(key) ?? {
      inside: new Set(),
      kept: new Map(),
      lines: [new Set(), new Set(), new Set()],
    };
    places.set(key, found);
    return found;
  };
  const forgetOver = (all: Map<string, { ends: number }>, now: number): void => {
    if (all.size > MANY_WINDOWS) for (const [key, { ends }] of all) if (ends <= now) all.delete(key);
  };
  const room = ({ inside, kept }: Places, limit: number, now: number): number => {
    for (const [job, until] of kept) if (until <= now || isGone(job)) kept.delete(job);
    return limit - inside.size - kept.size;
  };
  /** Milliseconds that a job waits for the rate; 0 when it starts now, and is counted. */
  const wait = (job: MemoryJob, rate: NonNullable<Gate['rate']>, now: number): number => {
    forgetOver(windows, now);
    const key = `${job.given.queue} ${rate.per} ${rate.key}`;
    const reserved = slots.get(job);
    const window = windows.get(key) ?? { number: 0, count: 0, at: 0, started: 0, ends: 0 };
    const next = nextSlot(window, reserved?.per === rate.per ? reserved.slot : undefined, rate, now);
    windows.set(key, next);
    if (next.slot > now) slots.set(job, { slot: next.slot, per: rate.per });
    else slots.delete(job);
    return Math.max(0, next.slot - now);
  };
  /** Keeps what is free for the first in line, and says who of them is to be woken. */
  const wake = (at: Places, limit: number, now: number): MemoryJob[] => {
    const woken: MemoryJob[] = [];
    let open = room(at, limit, now);
    for (const line of at.lines)
      for (const job of line) {
        if (open <= 0) return woken;
        line.delete(job);
        if (isGone(job)) continue;
        at.kept.set(job, now + PARK);
        keepers.set(job, { at, limit });
        open -= 1;
        if (job.state === 'delayed') woken.push(job);
      }
    return woken;
  };

  return {
    enter(job, gate, now) {
      gates.set(job, gate);
      const { concurrency, rate, apart } = gate;
      const group = `${job.given.queue} ${apart?.key}`;
      const last = apart && starts.get(group);
      const open = last !== undefined && last.ends > now;
      const at = concurrency && placesOf(`${job.given.queue} ${concurrency.key}`);
      if (open && last.job !== job) {
        at?.kept.delete(job);
        return last.ends - now;
      }
      const line = at?.lines[job.rank];
      if (at && !at.inside.has(job) && !at.kept.has(job) && room(at, concurrency.limit, now) <= 0) {
        line?.add(job);
        const before = at.lines.reduce((sum, { size }) => sum + size, 0) - 1;
        return Math.min(LONGEST_PARK, PARK * Math.max(1, before));
      }
      line?.delete(job);
      at?.kept.delete(job);
      const ms = rate ? wait(job, rate, now) : 0;
      if (ms > 0) return ms;
      if (apart && !open) {
        forgetOver(starts, now);
        starts.set(group, { job, ends: now + apart.ms });
      }
      at?.inside.add(job);
      return 0;
    },
    leave(job, now) {
      const concurrency = gates.get(job)?.concurrency;
      if (!concurrency) return NOBODY;
      gates.delete(job);
      const key = `${job.given.queue} ${concurrency.key}`;
      const at = placesOf(key);
      at.inside.delete(job);
      const woken = wake(at, concurrency.limit, now);
      // A place may have been kept for it while it was on its way to wait.
      if (at.kept.has(job) && job.state === 'delayed' && !woken.includes(job)) woken.push(job);
      if (at.inside.size + at.kept.size === 0 && at.lines.every(({ size }) => size === 0)) places.delete(key);
      return woken;
    },
    forget(job, now) {
      const keeper = keepers.get(job);
      return keeper?.at.kept.delete(job) ? wake(keeper.at, keeper.limit, now) : NOBODY;
    },
  };
}
