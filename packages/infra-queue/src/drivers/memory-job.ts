import {
  apartOf,
  type DriverJob,
  type Failure,
  type JobRecord,
  type JobState,
  type NewJob,
  type Priority,
  type Run,
} from '../driver.ts';
import type { HeapItem } from './heap.ts';

/** A job as the memory driver holds it. */
export interface MemoryJob extends HeapItem {
  readonly given: NewJob;
  /** The order in which jobs came. */
  readonly seq: number;
  readonly rank: number;
  /** The order in which those of a rank run: as they came, but for those that waited at a gate. */
  turn: number;
  readonly addedAt: number;
  state: JobState;
  /** When it may run, or could first. */
  runAt: number;
  attemptsMade: number;
  starts: number;
  /** While it is active: it was cancelled. */
  cancelled: boolean;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  progress: number | undefined;
  failure: Failure | undefined;
  discarded: string | undefined;
  /** What it remembers of its attempts. */
  memory: Map<string, string> | undefined;
  /** While it is active. */
  run: Run | undefined;
}

const RANKS: Record<Priority, number> = { high: 0, normal: 1, low: 2 };

/** A job that has just come in. */
export function memoryJob(given: NewJob, seq: number, now: number): MemoryJob {
  return {
    given,
    seq,
    rank: RANKS[given.priority],
    turn: seq,
    addedAt: now,
    state: 'waiting',
    runAt: now + given.delay,
    attemptsMade: 0,
    starts: 0,
    cancelled: false,
    startedAt: undefined,
    finishedAt: undefined,
    progress: undefined,
    failure: undefined,
    discarded: undefined,
    memory: undefined,
    run: undefined,
    place: -1,
  };
}

/** The order in which waiting jobs run. */
export const runsBefore = (a: MemoryJob, b: MemoryJob): boolean =>
  a.rank === b.rank ? a.turn < b.turn : a.rank < b.rank;

/** The order in which delayed jobs become due. */
export const dueBefore = (a: MemoryJob, b: MemoryJob): boolean =>
  a.runAt === b.runAt ? a.seq < b.seq : a.runAt < b.runAt;

/** A job as it is handed out. */
export function driverJob({ given, attemptsMade, starts, addedAt }: MemoryJob): DriverJob {
  const { id, name, queue, payload, meta, tick } = given;
  const job = { id, name, queue, payload, meta, attempt: attemptsMade + 1, starts, addedAt };
  const apart = apartOf(given.unique);
  if (tick === undefined && !apart) return job;
  return { ...job, ...(tick === undefined ? {} : { tick }), ...(apart ? { apart } : {}) };
}

/** A job as it is listed. */
export function jobRecord(job: MemoryJob): JobRecord {
  const { id, name, queue, payload, meta, priority, tick } = job.given;
  const { state, attemptsMade, addedAt, runAt, startedAt, finishedAt, progress, failure, discarded } = job;
  const optional = { startedAt, finishedAt, progress, failure, discarded, tick };
  return {
    ...{ id, name, queue, state, payload, priority, attemptsMade, addedAt },
    ...(Object.keys(meta).length > 0 ? { meta } : {}),
    ...(state === 'delayed' && Number.isFinite(runAt) ? { runAt } : {}),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
}
