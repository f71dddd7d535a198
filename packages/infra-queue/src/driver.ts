/** Which of the waiting jobs of a queue runs first; among equals the oldest does. */
export type Priority = 'high' | 'normal' | 'low';

/**
 * Where a job is. `waiting`: may run now. `delayed`: waits for its time, at first or between two attempts. `active`: its
 * handler runs. `completed` and `dead` are the ends, kept for a while.
 */
export type JobState = 'waiting' | 'delayed' | 'active' | 'completed' | 'dead';

/** Every {@link JobState}, in the order a job list shows them. */
export const JOB_STATES: readonly JobState[] = ['active', 'waiting', 'delayed', 'dead', 'completed'];

/**
 * What becomes of a job whose key another one holds. `skip`: the new one is dropped. `replace`: one that waits or is delayed
 * gives way to it; while the holder is active, it is dropped. `keep-last`: as `replace`, and while the holder is active the
 * newest is kept, to be stored when the holder has completed, is dead, or is cancelled while it waits for another attempt.
 */
export type OnConflict = 'skip' | 'replace' | 'keep-last';

/** Keeps two jobs of one key from waiting at once. */
export interface UniqueKey {
  readonly key: string;
  /**
   * How long the key is held, in milliseconds from the job that took it, also when that has finished by then. Without it
   * the key is held until the job has completed or is dead. A job that is cancelled before it runs gives it up. With
   * `keep-last` it holds no key: it becomes {@link DriverJob.apart}.
   */
  readonly ttl?: number;
  readonly onConflict: OnConflict;
}

/** The gate that a job with this key asks for: see {@link DriverJob.apart}. */
export function apartOf(unique: UniqueKey | undefined): DriverJob['apart'] {
  const { key, ttl, onConflict } = unique ?? {};
  return key !== undefined && ttl !== undefined && onConflict === 'keep-last' ? { key, ms: ttl } : undefined;
}

/** A job on its way in. */
export interface NewJob {
  /** Made by the caller: never only digits, never with a colon, never a name that BullMQ keeps a part of a queue under. */
  readonly id: string;
  /** True for an id that was made up for this job, so that no other has it: there is no need to look for one. */
  readonly generated?: boolean;
  readonly name: string;
  readonly queue: string;
  /** JSON text. */
  readonly payload: string;
  /** What travels with it: `traceparent` and its like. */
  readonly meta: Readonly<Record<string, string>>;
  readonly priority: Priority;
  /** How often it may run, for tools that read the store: the outcome decides. */
  readonly attempts: number;
  /** Milliseconds until it may run; 0 for at once. */
  readonly delay: number;
  /** When it may run, where that is a time of the day: `delay` is what the clock of this machine makes of it. */
  readonly at?: number;
  readonly unique?: UniqueKey;
  /** For a job made by a schedule: the time it was due. */
  readonly tick?: number;
}

/**
 * What became of a {@link NewJob}. `duplicate` carries the id of the job that was there. One that is kept until the holder
 * of its key has ended is `enqueued`, or `replaced` where another was kept: `find` and `cancel` know it.
 */
export interface Added {
  readonly id: string;
  readonly status: 'enqueued' | 'duplicate' | 'replaced';
}

/** The `meta` of most jobs. */
export const NO_META: NewJob['meta'] = Object.freeze({});

/** A job handed out to run. */
export interface DriverJob {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly payload: string;
  /** The payload as data, where the driver has it at hand: for one handler, which may change it. */
  readonly data?: unknown;
  readonly meta: Readonly<Record<string, string>>;
  /** 1 for the first. Only `retry` and `dead` outcomes, and a run that ended with its process, add to it. */
  readonly attempt: number;
  /** How often it was handed out, this time included: unlike `attempt`, releases count. */
  readonly starts: number;
  /** How often it lost its process while it ran, where that is too often: it is not to be run, its outcome is `dead`. */
  readonly lost?: number;
  /** Milliseconds since the epoch. */
  readonly addedAt: number;
  /** For a job made by a schedule: the time it was due. */
  readonly tick?: number;
  /** For a job with `keep-last` and a `ttl`: the gate between those of its key. */
  readonly apart?: NonNullable<Gate['apart']>;
}

/** What a job must pass before it runs, together with every job of the same key in its queue, in whatever process. */
export interface Gate {
  /** So many run at once. */
  readonly concurrency?: { readonly key: string; readonly limit: number };
  /** So many start in each window of `per` milliseconds. Windows of another length are counted on their own. */
  readonly rate?: { readonly key: string; readonly limit: number; readonly per: number };
  /** From the start of one to that of another pass at least `ms`; the attempts of one job are not kept apart. */
  readonly apart?: { readonly key: string; readonly ms: number };
}

/** How a run ended, and so what the driver does with the job. */
export type Outcome =
  /** It is done. */
  | { readonly type: 'done' }
  /** The attempt counts; run it again after `delay` milliseconds. */
  | { readonly type: 'retry'; readonly delay: number; readonly error: Error }
  /** The attempt counts and was the last: keep it among the dead. */
  | { readonly type: 'dead'; readonly error: Error }
  /**
   * The attempt does not count; hand it out again after `delay` milliseconds, 0 to go back to its place. With `parked`, the
   * gate that was full: sooner, once it has room. With `elsewhere`, preferably to another process.
   */
  | {
      readonly type: 'released';
      readonly delay: number;
      readonly parked?: Gate;
      readonly elsewhere?: boolean;
    }
  /** It needs no running any more: complete it, with the reason beside it. */
  | { readonly type: 'discarded'; readonly reason: string };

/** One run of a job, as its driver holds it. */
export interface Run {
  /**
   * Aborts it: with an `E_QUEUE_CANCELLED` error when the job was cancelled, and with any other reason when it is no longer
   * this worker's; the outcome is then of no interest. The process puts its own in the place of the driver's, at once.
   */
  abort(reason: unknown): void;
}

/** Runs one job. Never rejects. */
export type Process = (job: DriverJob, run: Run) => Promise<Outcome>;

/**
 * How long an attempt of a job may take, in milliseconds; `undefined` where nothing is said. A driver that guards a job
 * while its process is blocked need not do so for longer.
 */
export type TimeLimit = (job: DriverJob) => number | undefined;

/**
 * How soon a job that waits at a full gate tries again by itself, should it not be woken, in milliseconds: the first in line.
 * The others wait longer by their place, so that a long line costs no more than a short one, up to {@link LONGEST_PARK}.
 */
export const PARK = 30_000;
/** See {@link PARK}: what a job waits that has missed a change of its limits. */
export const LONGEST_PARK = 3_600_000;

/** A queue being served. */
export interface Consumer {
  /** Hands out no more jobs. Resolves when none will come; those that run go on, and their outcomes count. Idempotent. */
  stop(): Promise<void>;
  /** Stops, then resolves when the outcome of every job it handed out is written. Idempotent. */
  close(): Promise<void>;
}

/** Why an attempt failed, as it is kept with the job. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  /** What was wrong with the payload, where that was it. */
  readonly issues?: readonly { readonly path: string; readonly message: string }[];
}

/** A job as it is stored. Times are milliseconds since the epoch. */
export interface JobRecord {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly state: JobState;
  readonly payload: string;
  /** What travels with it; absent for nothing. */
  readonly meta?: Readonly<Record<string, string>>;
  readonly priority: Priority;
  /** Attempts that counted so far. */
  readonly attemptsMade: number;
  readonly addedAt: number;
  /** When it may run, for a delayed one. */
  readonly runAt?: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  /** 0 to 100. */
  readonly progress?: number;
  /** Of the last attempt that failed. */
  readonly failure?: Failure;
  /** Why it was discarded, for a completed one that was. */
  readonly discarded?: string;
  readonly tick?: number;
}

/** Which jobs to list. */
export interface ListQuery {
  readonly state: JobState;
  readonly queue?: string;
  readonly name?: string;
  /** @default 0 */
  readonly offset?: number;
  readonly limit: number;
}

/** What is wrong with a store: `error` where jobs will be lost, `degraded` where they may be. */
export interface StoreWarning {
  readonly status: 'degraded' | 'error';
  /** With what to do about it. */
  readonly message: string;
}

/** Figures of one queue. */
export interface QueueCounts {
  readonly queue: string;
  readonly waiting: number;
  readonly delayed: number;
  readonly active: number;
  readonly completed: number;
  readonly dead: number;
  /** Milliseconds that the longest-waiting job has been able to run; 0 when none waits. */
  readonly oldest: number;
  /** Jobs that completed or died in the last minute: see {@link perMinute}. */
  readonly throughput: number;
  readonly paused: boolean;
}

/** What is kept of the jobs that ended one way. Times are milliseconds since the epoch. */
export interface EndedJobs {
  readonly kept: number;
  readonly lastMinute: number;
  /** When the oldest of the kept ended; 0 without any. */
  readonly oldest: number;
}

/** Jobs that ended in the last minute; where fewer are kept than that, at the pace of those. */
export function perMinute(
  { kept, lastMinute, oldest }: EndedJobs,
  retention: Retention,
  now: number,
): number {
  const forgotten = kept > 0 && kept >= retention.count && kept === lastMinute && now > oldest;
  return forgotten ? Math.round((kept * 60_000) / (now - oldest)) : lastMinute;
}

/** What a cron asks of the driver: a job named after it on its queue at every tick. */
export interface Schedule {
  readonly name: string;
  readonly queue: string;
  /** In the form of `schedule.ts`, whose `nextTick` every driver uses. */
  readonly pattern: string;
  readonly timezone: string;
  /** `skip`: no job is made while that of an earlier tick waits or runs. The others are made. */
  readonly overlap: 'skip' | 'allow' | 'queue';
  /** How many of the ticks that passed while nobody served the queue are made up for, the latest ones. */
  readonly catchUp: number;
  /** Each job waits for a part of this, in milliseconds, that is one for the schedule and the tick. */
  readonly jitter: number;
  readonly attempts: number;
}

/** A stored schedule, and when it fires next. */
export interface ScheduleRecord extends Schedule {
  readonly next: number;
}

/** How long ended jobs are kept: the newest `count`, and none older than `age` milliseconds. */
export interface Retention {
  readonly count: number;
  readonly age: number;
}

/** A {@link Retention} for each end. */
export interface KeepPolicy {
  readonly completed: Retention;
  readonly dead: Retention;
}

/** What became of {@link QueueDriver.cancel}: taken out before it ran, its handler told to stop, or not there to cancel. */
export type CancelResult = 'removed' | 'signalled' | 'unknown';

/**
 * What every queue driver does: it stores jobs and hands them out. Checking payloads, running handlers, deciding on
 * retries, timeouts and draining are done above it. A job is handed out at least once, to one worker at a time; a worker
 * that disappears must not take its jobs along, where the store outlives it. `queueDriverSuite()` in `./testing` proves a driver.
 */
export interface QueueDriver {
  /** Its name in health reports and telemetry. */
  readonly name: string;
  /** Resolves when it can serve; rejects with a coded error when it never will. Idempotent. */
  ready(): Promise<void>;
  /**
   * Stores jobs, in order, and returns what became of each. An id that its queue holds already, in whatever state, is a
   * `duplicate`, so that a call whose answer was lost is safe to repeat. Rejects when the fate of the jobs is not known.
   */
  add(jobs: readonly NewJob[]): Promise<readonly Added[]>;
  /** Hands out the jobs of a queue to `process`, at most `concurrency` at once. A slot is free when its promise resolves. */
  consume(queue: string, concurrency: number, process: Process, limit?: TimeLimit): Consumer;
  /**
   * Lets an active job, as it was handed out, through a gate: 0 when it may run, and its place is free again when its
   * outcome is there; else the milliseconds after which to try again, with the outcome `released` and `parked`. Those that
   * wait for a place come in the order of their priority, and within one as they came.
   */
  enter(job: DriverJob, gate: Gate): Promise<number>;
  /** Notes how far an active job is, 0 to 100. One that is not active is left alone. */
  progress(queue: string, id: string, value: number): Promise<void>;
  /** What a job remembers under a key; `undefined` when it does not. */
  recall(queue: string, id: string, key: string): Promise<string | undefined>;
  /** Lets a job remember a text under a key, for as long as it is kept. A job that is not known is left alone. */
  remember(queue: string, id: string, key: string, value: string): Promise<void>;
  /**
   * Takes a job out before it runs, or aborts the signal of one that does: should its outcome be that it runs again, it is
   * discarded as `cancelled`.
   */
  cancel(id: string): Promise<CancelResult>;
  /** The job with this id, in whatever state; `undefined` when there is none. */
  find(id: string): Promise<JobRecord | undefined>;
  /** Jobs of one state: waiting in running order, delayed by their time, active by their start, ended ones newest first. */
  list(query: ListQuery): Promise<readonly JobRecord[]>;
  /** Makes dead jobs wait again, with all their attempts and without their unique keys. The number of those that were dead. */
  retry(ids: readonly string[]): Promise<number>;
  /** Forgets dead jobs. The number of those that were dead. */
  discard(ids: readonly string[]): Promise<number>;
  /** Figures of every queue that holds or has held a job. */
  stats(): Promise<readonly QueueCounts[]>;
  /** Hands out no jobs of a queue, to any worker, until `resume`; those that run go on. */
  pause(queue: string): Promise<void>;
  /** Ends a pause. */
  resume(queue: string): Promise<void>;
  /** What is wrong with a store that works but may lose jobs, and what to do about it; `undefined` when nothing is. */
  warning(): Promise<StoreWarning | undefined>;
  /**
   * Stores a schedule. One that fires at the same times keeps the tick it waits for, overdue or not; any other starts
   * anew. However many processes store it, a tick makes one job. `dueTicks` in `schedule.ts` says which late ones are made.
   * Where the store outlives a process, only those that have stored the schedule make its jobs: when none is left that
   * knows it, its ticks are missed ones.
   */
  schedule(schedule: Schedule): Promise<void>;
  /** Every stored schedule, by name. */
  schedules(): Promise<readonly ScheduleRecord[]>;
  /** Forgets a schedule, and takes out those of its jobs that wait or are delayed. False when there was none. */
  unschedule(name: string): Promise<boolean>;
  /** Releases connections, timers and memory. Consumers are closed by then. Idempotent. */
  close(): Promise<void>;
}
