import type { Job } from 'bullmq';
import {
  type DriverJob,
  type Failure,
  type Gate,
  type JobRecord,
  type JobState,
  NO_META,
  type Priority,
} from '../../driver.ts';
import type { OurOptions } from './adding.ts';
import { tooManyLosses } from './running.ts';

/** The field of a job that holds its failure in full; BullMQ keeps its message and stack beside it. */
export const FAILURE_FIELD = 'infra:failure';

/** BullMQ's score of a delayed job is its time times this, and a counter. */
const SCORE = 4096;

/** The highest score of a delayed job that is due. */
export const dueScore = (now: number): string => String((now + 1) * SCORE - 1);

const priorityOf = (number: number): Priority => (number >= 3 ? 'low' : number === 2 ? 'normal' : 'high');

/** A job that BullMQ hands out under a lock, with what this driver knows of its run: it may run again while a run that lost it goes on. */
export class HandedOut implements DriverJob {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly data: unknown;
  readonly meta: Readonly<Record<string, string>>;
  readonly attempt: number;
  readonly starts: number;
  readonly addedAt: number;
  declare readonly tick?: number;
  declare readonly apart?: NonNullable<DriverJob['apart']>;
  declare readonly lost?: number;
  /** Of the lock under which it runs. */
  readonly token: string;
  /** The gate it has passed. */
  gate: Gate | undefined;

  constructor(queue: string, job: Job, token: string) {
    const { tick, telemetry, deduplication } = job.opts as Job['opts'] & OurOptions;
    this.id = job.id ?? '';
    this.name = job.name;
    this.queue = queue;
    this.data = job.data;
    this.meta = metaOf(telemetry?.metadata);
    this.attempt = job.attemptsMade + job.stalledCounter + 1;
    this.starts = job.attemptsStarted;
    this.addedAt = job.timestamp;
    this.token = token;
    this.gate = undefined;
    if (tick !== undefined) this.tick = tick;
    if (deduplication?.keepLastIfActive && deduplication.ttl)
      this.apart = { key: deduplication.id, ms: deduplication.ttl };
    const lost = tooManyLosses(job);
    if (lost !== undefined) this.lost = lost;
  }

  /** Made when it is asked for: BullMQ has parsed it already, and few look at the text. */
  get payload(): string {
    return JSON.stringify(this.data) ?? 'null';
  }
}

function metaOf(text: string | undefined): DriverJob['meta'] {
  const found = text === undefined ? undefined : parsed(text);
  if (typeof found !== 'object' || found === null) return NO_META;
  return Object.fromEntries(
    Object.entries(found).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return undefined;
  }
}

/** A row of a script: id, score, and the fields of the job, names and values in turn. */
export type Row = readonly [id: string, score: string, fields: readonly string[]];

/** A stored job. `now` tells whether a delayed one is due. */
export function jobRecord(queue: string, state: JobState, [id, score, fields]: Row, now: number): JobRecord {
  const field = fieldsOf(fields);
  const number = (name: string): number => Number(field.get(name) ?? 0);
  const times = { startedAt: number('processedOn'), finishedAt: number('finishedOn') };
  const runAt = Math.floor(Number(score) / SCORE);
  // BullMQ stores what travels under this name.
  const { tick, tm } = (parsed(field.get('opts')) ?? {}) as OurOptions & { tm?: string };
  const meta = metaOf(tm);
  const result = parsed(field.get('returnvalue')) as { discarded?: unknown } | undefined;
  const discarded = typeof result?.discarded === 'string' ? result.discarded : undefined;
  const failure = failureIn(field);
  const progress = parsed(field.get('progress'));
  const waits = state === 'delayed' && runAt > now;
  return {
    ...{ id, queue, name: field.get('name') ?? '', payload: field.get('data') ?? 'null' },
    state: state === 'delayed' && !waits ? 'waiting' : state,
    priority: priorityOf(number('priority')),
    attemptsMade: number('atm') + number('stc') - (discarded === undefined ? 0 : 1),
    addedAt: number('timestamp'),
    ...(Object.keys(meta).length > 0 ? { meta } : {}),
    ...(waits ? { runAt } : {}),
    ...(times.startedAt ? { startedAt: times.startedAt } : {}),
    ...(times.finishedAt ? { finishedAt: times.finishedAt } : {}),
    ...(typeof progress === 'number' ? { progress } : {}),
    ...(failure ? { failure } : {}),
    ...(discarded === undefined ? {} : { discarded }),
    ...(tick === undefined ? {} : { tick }),
  };
}

function fieldsOf(fields: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) map.set(fields[i] as string, fields[i + 1] as string);
  return map;
}

/** What we noted of the last failure, unless BullMQ noted another one since, such as that of a worker of its own. */
function failureIn(field: ReadonlyMap<string, string>): Failure | undefined {
  const message = field.get('failedReason');
  const ours = parsed(field.get(FAILURE_FIELD)) as Failure | undefined;
  if (ours && (message === undefined || message === ours.message)) return ours;
  if (message === undefined) return undefined;
  const stack = (parsed(field.get('stacktrace')) as string[] | undefined)?.at(-1);
  return { name: 'Error', message, ...(stack === undefined ? {} : { stack }) };
}
