import type { Clock } from '@vibeonrails/infra-core';
import { CRON_QUEUE, registry } from './definitions.ts';
import {
  type Failure,
  JOB_STATES,
  type JobRecord,
  type JobState,
  type Priority,
  type QueueCounts,
  type QueueDriver,
} from './driver.ts';
import { firstTick } from './schedule.ts';
import { redactorOf, redactorOfUnknown } from './task.ts';

/** A job as it is listed. */
export interface JobView {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly state: JobState;
  /** As it was enqueued, but for the fields that the job's definition redacts, where this process knows it. */
  readonly payload: unknown;
  readonly priority: Priority;
  /** Attempts so far, the one under way not among them. */
  readonly attemptsMade: number;
  readonly addedAt: Date;
  /** When it may run, for a delayed one. */
  readonly runAt?: Date;
  readonly startedAt?: Date;
  readonly finishedAt?: Date;
  /** 0 to 100, as its handler said. */
  readonly progress?: number;
  /** Why its last attempt failed. */
  readonly failure?: Failure;
  /** Why it was discarded, for a completed one that was. */
  readonly discarded?: string;
}

/** Which jobs to list. */
export interface JobFilter {
  /** @default all states */
  state?: JobState;
  queue?: string;
  /** The name of a job, or what defineJob() returned. */
  job?: string | { readonly name: string };
  /** @default 100 */
  limit?: number;
  /** How many to leave out first. Needs a `state`. @default 0 */
  offset?: number;
}

/** Which dead jobs are meant; with nothing given, all. */
export interface DeadFilter {
  ids?: readonly string[];
  queue?: string;
  job?: string | { readonly name: string };
  /** Those that died at this time or later. */
  since?: Date;
}

/** How much is where. Ages are in milliseconds, throughput in jobs that ended in the last minute. */
export interface QueueStats extends Omit<QueueCounts, 'queue' | 'paused'> {
  /** The same for each queue, by name. */
  readonly queues: Readonly<Record<string, Omit<QueueCounts, 'queue'>>>;
}

/** A cron, and when it runs next. */
export interface CronView {
  readonly name: string;
  readonly schedule: string;
  readonly timezone: string;
  /** For one that no worker defines any more: the first tick that it has missed, or will. */
  readonly next: Date;
  /** True once a worker has stored its schedule: before that it does not run. */
  readonly scheduled: boolean;
  /** False when this process does not define it: another does, or none any more. See {@link Inspection.removeCron}. */
  readonly defined: boolean;
}

/** Looking into a queue, and setting things right. */
export interface Inspection {
  /** How much is where. */
  stats(): Promise<QueueStats>;
  /** The job with this id, while it is known. */
  job(id: string): Promise<JobView | undefined>;
  /** Jobs: active, waiting in running order, delayed by their time, then dead and completed, newest first. */
  jobs(filter?: JobFilter): Promise<JobView[]>;
  /** Dead jobs, newest first. */
  dead(filter?: Omit<JobFilter, 'state'>): Promise<JobView[]>;
  /** Lets dead jobs run again, with all their attempts. The number of them. */
  retryDead(filter?: DeadFilter): Promise<number>;
  /** Forgets dead jobs. The number of them. */
  discardDead(filter: DeadFilter): Promise<number>;
  /** Starts no more jobs of a queue, in any worker, until `resume`. @default every queue known */
  pause(queue?: string): Promise<void>;
  /** Ends a pause. @default every queue known */
  resume(queue?: string): Promise<void>;
  /** Every cron that is defined here or stored, by name, with its next run. */
  crons(): Promise<CronView[]>;
  /**
   * Forgets the stored schedule of a cron that no code defines any more, and takes out its runs that have not begun. A
   * worker that defines it stores it again when it starts. False when there was none.
   */
  removeCron(name: string): Promise<boolean>;
}

const PAGE = 500;

/** Makes the {@link Inspection} of a queue on its driver. */
export function inspection(driver: QueueDriver, clock: Clock, assertOpen: () => void): Inspection {
  const jobs = async (filter: JobFilter = {}): Promise<JobView[]> => {
    assertOpen();
    const { state, queue, job, limit = 100, offset = 0 } = filter;
    const found: JobRecord[] = [];
    for (const each of state ? [state] : JOB_STATES) {
      const query = {
        ...where(queue, job),
        state: each,
        limit: limit - found.length,
        offset: state ? offset : 0,
      };
      if (query.limit > 0) found.push(...(await driver.list(query)));
    }
    return found.map(jobView);
  };
  const deadIds = async ({ ids, queue, job, since }: DeadFilter): Promise<string[]> => {
    const found: string[] = [];
    const wanted = ids && new Set(ids);
    for (let offset = 0; ; offset += PAGE) {
      const page = await driver.list({ ...where(queue, job), state: 'dead', limit: PAGE, offset });
      for (const { id, finishedAt = 0 } of page)
        if ((!wanted || wanted.has(id)) && (!since || finishedAt >= since.getTime())) found.push(id);
      if (page.length < PAGE) return found;
    }
  };
  const inPages = async (
    ids: readonly string[],
    act: (page: readonly string[]) => Promise<number>,
  ): Promise<number> => {
    let sum = 0;
    for (let from = 0; from < ids.length; from += PAGE) sum += await act(ids.slice(from, from + PAGE));
    return sum;
  };
  /** Queues that hold something, and those that defined jobs and crons run on. */
  const queueNames = async (): Promise<Set<string>> => {
    const stored = (await driver.stats()).map(({ queue }) => queue);
    return new Set([...stored, ...[...registry().jobs.values()].map(({ queue }) => queue), CRON_QUEUE]);
  };

  return {
    jobs,
    async stats() {
      assertOpen();
      return statsOf(await driver.stats());
    },
    async job(id) {
      assertOpen();
      const found = await driver.find(id);
      return found && jobView(found);
    },
    dead: (filter = {}) => jobs({ ...filter, state: 'dead' }),
    async retryDead(filter = {}) {
      assertOpen();
      return inPages(await deadIds(filter), (page) => driver.retry(page));
    },
    async discardDead(filter) {
      assertOpen();
      return inPages(await deadIds(filter), (page) => driver.discard(page));
    },
    async pause(queue) {
      assertOpen();
      for (const name of queue === undefined ? await queueNames() : [queue]) await driver.pause(name);
    },
    async resume(queue) {
      assertOpen();
      for (const name of queue === undefined ? await queueNames() : [queue]) await driver.resume(name);
    },
    async crons() {
      assertOpen();
      return cronViews(driver, clock);
    },
    async removeCron(name) {
      assertOpen();
      return driver.unschedule(name);
    },
  };
}

function where(queue: string | undefined, job: JobFilter['job']): { queue?: string; name?: string } {
  const name = typeof job === 'object' ? job.name : job;
  return { ...(queue === undefined ? {} : { queue }), ...(name === undefined ? {} : { name }) };
}

function jobView(record: JobRecord): JobView {
  const {
    payload: _payload,
    meta: _meta,
    tick: _tick,
    addedAt,
    runAt,
    startedAt,
    finishedAt,
    ...rest
  } = record;
  return {
    ...rest,
    payload: shownPayload(record),
    addedAt: new Date(addedAt),
    ...(runAt === undefined ? {} : { runAt: new Date(runAt) }),
    ...(startedAt === undefined ? {} : { startedAt: new Date(startedAt) }),
    ...(finishedAt === undefined ? {} : { finishedAt: new Date(finishedAt) }),
  };
}

function shownPayload(record: JobRecord): unknown {
  const job = record.queue === CRON_QUEUE ? undefined : registry().jobs.get(record.name);
  const hidden = job ? redactorOf(job, record) : redactorOfUnknown(record);
  return hidden ? hidden.payload() : JSON.parse(record.payload);
}

/** Figures over all queues. */
export function statsOf(counts: readonly QueueCounts[]): QueueStats {
  const sum = (field: 'waiting' | 'delayed' | 'active' | 'completed' | 'dead' | 'throughput'): number =>
    counts.reduce((total, each) => total + each[field], 0);
  return {
    waiting: sum('waiting'),
    delayed: sum('delayed'),
    active: sum('active'),
    completed: sum('completed'),
    dead: sum('dead'),
    throughput: sum('throughput'),
    oldest: Math.max(0, ...counts.map(({ oldest }) => oldest)),
    queues: Object.fromEntries(counts.map(({ queue, ...rest }) => [queue, rest])),
  };
}

async function cronViews(driver: QueueDriver, clock: Clock): Promise<CronView[]> {
  const views = new Map<string, CronView>();
  for (const cron of registry().crons.values()) {
    const { name, schedule, timezone } = cron;
    const next = new Date(firstTick(cron, clock.now()));
    views.set(name, { name, schedule, timezone, next, scheduled: false, defined: true });
  }
  for (const { name, pattern: schedule, timezone, next } of await driver.schedules())
    views.set(name, {
      ...{ name, schedule, timezone, next: new Date(next) },
      scheduled: true,
      defined: views.has(name),
    });
  return [...views.values()].sort((a, b) => a.name.localeCompare(b.name));
}
