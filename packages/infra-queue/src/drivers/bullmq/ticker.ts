import type { Schedule, ScheduleRecord } from '../../driver.ts';
import { dueTicks, nextTick, tickJob } from '../../schedule.ts';
import { addToQueue } from './adding.ts';
import { ADVANCE, SCHEDULE } from './scripts.ts';
import type { Access, Store } from './store.ts';

const SCHEDULES = 'infra:schedules';
const NEXT = 'infra:next';
/** The longest wait before a look at schedules that other processes change. */
const LOOK_EVERY = 5000;
/** How long a process has for the job of a tick before another makes it. */
const CLAIM = 5000;
/** For a schedule that fires no more. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** Stores a schedule, unless an equal one is there. */
export async function storeSchedule(store: Store, schedule: Schedule): Promise<void> {
  const { name, queue, pattern, timezone, overlap, catchUp, jitter, attempts } = schedule;
  const text = JSON.stringify({ name, queue, pattern, timezone, overlap, catchUp, jitter, attempts });
  const next = nextTick(schedule, Date.now()) ?? NEVER;
  const { key } = store.keys(queue);
  await store.run(async (access) => {
    await store.note(access, queue);
    await access.client.call(
      'EVAL',
      SCHEDULE,
      2,
      key(SCHEDULES),
      key(NEXT),
      name,
      text,
      next,
      pattern,
      timezone,
    );
  });
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

/** Forgets a schedule, in whatever queue. */
export function forgetSchedule(store: Store, name: string): Promise<boolean> {
  return store.run(async (access) => {
    const queues = await store.names(access);
    const gone = await Promise.all(
      queues.map(async (queue) => {
        const { key } = store.keys(queue);
        await access.client.call('HDEL', key(NEXT), name);
        return (await access.client.call('HDEL', key(SCHEDULES), name)) === 1;
      }),
    );
    return gone.includes(true);
  });
}

/** Makes the jobs of a queue's schedules while a process serves it. */
export interface Ticker {
  /** Looks again at once: a schedule has changed. */
  wake(): void;
  stop(): void;
}

/** Makes a {@link Ticker}. `failed` hears of what went wrong; the next look tries again. */
export function startTicker(store: Store, queue: string, failed: (thrown: unknown) => void): Ticker {
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
      next = await fireDue(store, queue);
    } catch (thrown) {
      failed(thrown);
    }
    looking = false;
    if (stopped) return;
    const wait = again ? 0 : Math.min(LOOK_EVERY, Math.max(1, next - Date.now()));
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
function fireDue(store: Store, queue: string): Promise<number> {
  return store.run(async (access) => {
    let soonest = NEVER;
    for (const record of await schedulesOf(store, access, queue)) {
      if (record.next <= Date.now()) await fire(store, access, record);
      const next = record.next > Date.now() ? record.next : (nextTick(record, Date.now()) ?? NEVER);
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
  const { ticks, next } = dueTicks(schedule, due, Date.now());
  const jobs = ticks.map((tick) => tickJob(schedule, tick));
  await addToQueue(store, access, queue, jobs, (transaction) =>
    transaction.eval(ADVANCE, 1, key(NEXT), name, due, next),
  );
}
