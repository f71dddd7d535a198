import { setTimeout as pause } from 'node:timers/promises';
import type { Schedule, ScheduleRecord } from '../../driver.ts';
import { dueTicks, nextTick, tickJob } from '../../schedule.ts';
import { addToQueue } from './adding.ts';
import { registryKey } from './keys.ts';
import type { Access, Store } from './store.ts';
import { ADVANCE, MISSING, SCHEDULE, UNSCHEDULE } from './ticker-scripts.ts';

const SCHEDULES = 'infra:schedules';
const NEXT = 'infra:next';
/** Those that were removed by hand. */
const REMOVED = 'infra:removed';
/** The longest wait before a look at schedules that other processes change. */
const LOOK_EVERY = 5000;
/** How long a process has for the job of a tick before another makes it. */
const CLAIM = 5000;
/** The wait for a process that makes the tick that is due. */
const AGAIN = 100;
/** For a schedule that fires no more. */
const NEVER = Number.MAX_SAFE_INTEGER;

/**
 * Stores a schedule, unless an equal one is there. One that takes the place of another lets that have its tick that is due
 * first: a deploy must not lose it.
 */
export async function storeSchedule(store: Store, schedule: Schedule): Promise<void> {
  const { name, queue, pattern, timezone, overlap, catchUp, jitter, attempts } = schedule;
  const text = JSON.stringify({ name, queue, pattern, timezone, overlap, catchUp, jitter, attempts });
  const places = [SCHEDULES, NEXT, REMOVED].map(store.keys(queue).key);
  const stored = (): Promise<boolean> =>
    store.run(async (access) => {
      const { client } = access;
      await store.time.measure(client);
      const now = store.time.now();
      await client.call('SADD', registryKey(store.prefix), queue);
      const args = [name, text, nextTick(schedule, now) ?? NEVER, pattern, timezone, now];
      const former = await client.call('EVAL', SCHEDULE, places.length, ...places, ...args);
      if (!Array.isArray(former)) return true;
      const timing = JSON.parse(String(former[0])) as Schedule;
      const times = { pattern: timing.pattern, timezone: timing.timezone, next: Number(former[1]) };
      await fire(store, access, { ...schedule, ...times });
      return false;
    });
  // Another process may be about to make that tick; should it die, its claim runs out.
  while (!(await stored())) await pause(AGAIN);
}

/** Those of the schedules that are gone though nobody removed them. */
export async function missingSchedules(
  store: Store,
  queue: string,
  schedules: readonly Schedule[],
): Promise<Schedule[]> {
  if (schedules.length === 0) return [];
  const places = [SCHEDULES, REMOVED].map(store.keys(queue).key);
  const names = schedules.map(({ name }) => name);
  const gone = (await store.run(({ client }) =>
    client.call('EVAL', MISSING, places.length, ...places, ...names),
  )) as string[];
  return schedules.filter(({ name }) => gone.includes(name));
}

/** The schedules of every queue, by name. */
export function storedSchedules(store: Store): Promise<readonly ScheduleRecord[]> {
  return store.run(async (access) => {
    const names = await store.names(access);
    const all = await Promise.all(names.map((queue) => schedulesOf(store, access, queue)));
    return all.flat().sort((a, b) => a.name.localeCompare(b.name));
  });
}

async function schedulesOf(store: Store, { client }: Access, queue: string): Promise<ScheduleRecord[]> {
  const { key } = store.keys(queue);
  const texts = (await client.call('HVALS', key(SCHEDULES))) as string[];
  if (texts.length === 0) return [];
  const schedules = texts.map((text) => JSON.parse(text) as Schedule);
  const next = (await client.call('HMGET', key(NEXT), ...schedules.map(({ name }) => name))) as (
    | string
    | null
  )[];
  return schedules.map((schedule, i) => {
    const at = Number(next[i] ?? 0);
    return { ...schedule, next: at === NEVER ? Number.POSITIVE_INFINITY : at };
  });
}

/** Forgets a schedule and those of its jobs that have not begun, in whatever queue. */
export function forgetSchedule(store: Store, name: string): Promise<boolean> {
  return store.run(async (access) => {
    const queues = await store.names(access);
    const gone = await Promise.all(
      queues.map(async (queue) => {
        const { key } = store.keys(queue);
        const places = [SCHEDULES, NEXT, REMOVED, 'wait', 'prioritized', 'delayed'].map(key);
        const args = [name, key('')];
        return (await access.client.call('EVAL', UNSCHEDULE, places.length, ...places, ...args)) === 1;
      }),
    );
    return gone.includes(true);
  });
}

/** Makes the jobs of this process's schedules while it serves their queue. */
export interface Ticker {
  /** Looks again at once: a schedule has changed. */
  wake(): void;
  stop(): void;
}

/**
 * Makes a {@link Ticker}. `isOurs` says by name which schedules this process knows: where none does that is left, nobody
 * could run their jobs. `failed` hears of what went wrong; the next look tries again.
 */
export function startTicker(
  store: Store,
  queue: string,
  isOurs: (name: string) => boolean,
  failed: (thrown: unknown) => void,
): Ticker {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let looking = false;
  let again = false;
  const look = async (): Promise<void> => {
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    clearTimeout(timer);
    let next = NEVER;
    try {
      next = await fireDue(store, queue, isOurs);
    } catch (thrown) {
      // Stopped as it looked, and the store closed since.
      if (!stopped) failed(thrown);
    }
    looking = false;
    if (stopped) return;
    const wait = again ? 0 : Math.min(LOOK_EVERY, Math.max(1, next - store.time.now()));
    again = false;
    timer = setTimeout(() => void look(), wait);
    timer.unref();
  };
  void look();
  return {
    wake: () => void look(),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Makes the job of every tick that is due. When the next one is. */
function fireDue(store: Store, queue: string, isOurs: (name: string) => boolean): Promise<number> {
  return store.run(async (access) => {
    // One clock for all: a process whose own is ahead would make ticks before their time.
    await store.time.measure(access.client);
    const { now } = store.time;
    let soonest = NEVER;
    for (const record of await schedulesOf(store, access, queue)) {
      if (!isOurs(record.name)) continue;
      if (record.next <= now()) await fire(store, access, record);
      const next = record.next > now() ? record.next : (nextTick(record, now()) ?? NEVER);
      soonest = Math.min(soonest, next);
    }
    return soonest;
  });
}

/**
 * Makes the jobs of what is due and goes on to the next tick, all or nothing. Who claims the tick first does it; should
 * it die before, the claim runs out. The tick that is stored as the next is the record of what has run.
 */
async function fire(store: Store, access: Access, schedule: ScheduleRecord): Promise<void> {
  const { name, queue, next: due } = schedule;
  const { key } = store.keys(queue);
  const claim = await access.client.call('SET', key(`infra:tick:${name}:${due}`), '1', 'PX', CLAIM, 'NX');
  if (claim === null) return;
  const { ticks, next } = dueTicks(schedule, due, store.time.now());
  const jobs = ticks.map((tick) => tickJob(schedule, tick));
  const places = [NEXT, 'wait', 'prioritized', 'delayed'].map(key);
  const args = [name, due, next, key(''), ...jobs.map(({ id }) => id)];
  await addToQueue(store, access, queue, jobs, (transaction) =>
    transaction.eval(ADVANCE, places.length, ...places, ...args),
  );
}
