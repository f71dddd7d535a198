import { type Clock, type Logger, logger, systemClock } from '@vibeonrails/infra-core';
import type { Added, JobState, KeepPolicy, NewJob, Outcome, QueueDriver } from '../driver.ts';
import { memoryGates } from './memory-gates.ts';
import { dueBefore, jobRecord, type MemoryJob, memoryJob, runsBefore } from './memory-job.ts';
import { uniqueKeys } from './memory-keys.ts';
import { MemoryQueue, type MemoryQueueHost } from './memory-queue.ts';
import { memorySchedules } from './memory-schedules.ts';

/** How the memory driver is made. */
export interface MemoryDriverOptions {
  /** @default the machine's clock */
  clock?: Clock;
  /** @default the process's logger */
  log?: Logger;
  keep: KeepPolicy;
  /** Say once when jobs wait for this many milliseconds and no worker runs; `undefined` for never. */
  warnAfter?: number | undefined;
  /** Called when the outcome of a run is written. */
  onSettled?: (id: string, outcome: Outcome) => void;
}

/** The memory driver, with what a fake asks beside. */
export interface MemoryDriver extends QueueDriver {
  /** When the next delayed job or tick is due; infinity when nothing is. */
  nextDue(): number;
}

const newestFirst = (a: MemoryJob, b: MemoryJob): number =>
  (b.finishedAt ?? 0) - (a.finishedAt ?? 0) || b.seq - a.seq;
const ORDERS: Record<JobState, (a: MemoryJob, b: MemoryJob) => number> = {
  waiting: (a, b) => (runsBefore(a, b) ? -1 : 1),
  delayed: (a, b) => (dueBefore(a, b) ? -1 : 1),
  active: (a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0) || a.seq - b.seq,
  completed: newestFirst,
  dead: newestFirst,
};

function jobsIn(queue: MemoryQueue, state: JobState): MemoryJob[] {
  queue.expire();
  if (state === 'waiting') return [...queue.ready.items];
  if (state === 'delayed') return [...queue.later.items];
  return [...queue[state].values()];
}

/** After so many jobs whoever adds them waits a turn of the event loop, as for any other store: workers have theirs. */
const LONGEST_BURST = 200;

/** Keeps jobs in this process. Gone when the process ends. */
export function memoryDriver(options: MemoryDriverOptions): MemoryDriver {
  const { clock = systemClock, log = logger, keep, warnAfter } = options;
  const queues = new Map<string, MemoryQueue>();
  const jobs = new Map<string, MemoryJob>();
  const keys = uniqueKeys(clock);
  const gates = memoryGates();
  let seq = 0;
  /** Jobs added since the event loop could turn. */
  let burst = 0;
  let cancelWarning: (() => void) | undefined;

  const warnUnserved = (queue: MemoryQueue): void => {
    if (warnAfter === undefined) return;
    cancelWarning ??= clock.after(warnAfter, () => {
      if (queue.ready.size > 0 && !queue.served && !queue.paused)
        log.warn(
          { queue: queue.name, waiting: queue.ready.size },
          `jobs wait in the queue "${queue.name}" and no worker of this process serves it: call startWorker()`,
        );
      else cancelWarning = undefined;
    });
  };
  const host: MemoryQueueHost = {
    ...{ clock, log, keep },
    ended: (job) => follow(keys.release(job.given)),
    forgotten: (job) => jobs.delete(job.given.id),
    settled: (job, outcome) => options.onSettled?.(job.given.id, outcome),
    left: (job) => gates.leave(job, clock.now()),
    turn: () => seq++,
    unserved: warnUnserved,
  };
  const queueOf = (name: string): MemoryQueue => {
    const queue = queues.get(name) ?? new MemoryQueue(name, host);
    queues.set(name, queue);
    return queue;
  };
  /** A job that is kept. One that has ended and is too old is forgotten first, also where nobody has looked since. */
  const known = (id: string): MemoryJob | undefined => {
    const job = jobs.get(id);
    if (job?.finishedAt !== undefined) queueOf(job.given.queue).expire();
    return jobs.get(id);
  };
  const addOne = (given: NewJob): Added => {
    if (known(given.id)) return { id: given.id, status: 'duplicate' };
    const holder = keys.holder(given);
    const former = holder === undefined ? undefined : jobs.get(holder);
    const onConflict = given.unique?.onConflict ?? 'skip';
    const keeps = onConflict === 'keep-last' && former?.state === 'active';
    const gives = onConflict !== 'skip' && (former?.state === 'waiting' || former?.state === 'delayed');
    if (holder !== undefined && !gives && !keeps) return { id: holder, status: 'duplicate' };
    if (former && gives) forget(former);
    const job = memoryJob(given, seq++, clock.now());
    jobs.set(given.id, job);
    const over = keeps ? keys.keep(job) : keys.take(given);
    if (over) jobs.delete(over.given.id);
    if (keeps) wait(job);
    else queueOf(given.queue).place(job);
    return { id: given.id, status: gives || over ? 'replaced' : 'enqueued' };
  };
  /** Lets a job wait, in no queue, for the end of another. */
  const wait = (job: MemoryJob): void => {
    job.state = 'delayed';
    job.runAt = Number.POSITIVE_INFINITY;
  };
  /** The holder of its key has ended: a job that was kept is stored. */
  const follow = (kept: MemoryJob | undefined): void => {
    if (!kept) return;
    kept.runAt = clock.now() + kept.given.delay;
    keys.take(kept.given);
    queueOf(kept.given.queue).place(kept);
  };
  /** Takes a job out that waits or is delayed. */
  const forget = (job: MemoryJob): void => {
    const queue = queueOf(job.given.queue);
    if (!keys.drop(job)) queue.take(job);
    jobs.delete(job.given.id);
    for (const next of gates.forget(job, clock.now())) queue.hurry(next);
  };
  const schedules = memorySchedules(clock, (job) => void addOne(job));
  /** Runs `act` for those ids that are dead jobs, and counts them. */
  const eachDead = (ids: readonly string[], act: (job: MemoryJob, queue: MemoryQueue) => void): number =>
    ids.filter((id) => {
      const job = jobs.get(id);
      if (job?.state !== 'dead') return false;
      const queue = queueOf(job.given.queue);
      queue.dead.delete(id);
      act(job, queue);
      return true;
    }).length;

  return {
    name: 'memory',
    ready: async () => undefined,
    async add(list) {
      const added = list.map(addOne);
      burst += list.length;
      if (burst >= LONGEST_BURST) {
        burst = 0;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      return added;
    },
    consume: (queue, concurrency, process) => queueOf(queue).consume(concurrency, process),
    async enter({ id }, gate) {
      const job = jobs.get(id);
      return job?.state === 'active' ? gates.enter(job, gate, clock.now()) : 0;
    },
    async progress(_queue, id, value) {
      const job = jobs.get(id);
      if (job?.state === 'active') job.progress = value;
    },
    recall: async (_queue, id, key) => jobs.get(id)?.memory?.get(key),
    async remember(_queue, id, key, value) {
      const job = jobs.get(id);
      if (!job) return;
      job.memory ??= new Map();
      job.memory.set(key, value);
    },
    async cancel(id) {
      const job = jobs.get(id);
      if (job?.state === 'active') {
        queueOf(job.given.queue).abort(job);
        return 'signalled';
      }
      if (job?.state !== 'waiting' && job?.state !== 'delayed') return 'unknown';
      forget(job);
      follow(keys.giveUp(job.given));
      return 'removed';
    },
    async find(id) {
      const job = known(id);
      return job && jobRecord(job);
    },
    async list({ state, queue, name, offset = 0, limit }) {
      const from = queue === undefined ? [...queues.values()] : [queueOf(queue)];
      const found = from
        .flatMap((each) => jobsIn(each, state))
        .filter((job) => !name || job.given.name === name);
      return found
        .sort(ORDERS[state])
        .slice(offset, offset + limit)
        .map(jobRecord);
    },
    retry: async (ids) =>
      eachDead(ids, (job, queue) => {
        job.attemptsMade = 0;
        job.runAt = clock.now();
        job.finishedAt = undefined;
        queue.place(job);
      }),
    discard: async (ids) => eachDead(ids, (job) => jobs.delete(job.given.id)),
    stats: async () => [...queues.values()].map((queue) => queue.counts()),
    async pause(queue) {
      queueOf(queue).paused = true;
    },
    async resume(queue) {
      queueOf(queue).paused = false;
      queueOf(queue).pump();
    },
    warning: async () => undefined,
    schedule: async (schedule) => schedules.set(schedule),
    schedules: async () => schedules.list(),
    async unschedule(name) {
      if (!schedules.delete(name)) return false;
      for (const job of jobs.values()) {
        const ticks = job.given.name === name && job.given.tick !== undefined;
        if (!ticks || (job.state !== 'waiting' && job.state !== 'delayed')) continue;
        forget(job);
        keys.giveUp(job.given);
      }
      return true;
    },
    nextDue: () =>
      Math.min(
        schedules.next(),
        ...[...queues.values()].map((queue) => queue.later.peek()?.runAt ?? Number.POSITIVE_INFINITY),
      ),
    async close() {
      cancelWarning?.();
      schedules.close();
      keys.close();
      for (const queue of queues.values()) queue.close();
      queues.clear();
      jobs.clear();
    },
  };
}
