import { messageOf, toMs } from '@vibeonrails/infra-core';
import { type Backoff, backoffDelay } from './backoff.ts';
import { CRON_QUEUE, registry } from './definitions.ts';
import type { DriverJob, Gate } from './driver.ts';
import { LimitKeyError, UnrecoverableError } from './errors.ts';
import type { DeadContext, Job, JobContext } from './job.ts';
import { unpackPayload } from './payload.ts';
import { type Redactor, redactor } from './redaction.ts';

/** What a stored job comes to in this process: how it is run, and on what terms. */
export interface Task {
  readonly retries: number;
  /** Milliseconds. */
  readonly timeout: number | undefined;
  readonly backoff: Backoff;
  /** Keeps values of the payload out of what is logged and kept of an error; absent where nothing is to be kept out. */
  readonly redact?: Redactor | undefined;
  /** What it must pass before it runs; may throw what the application's key function throws. */
  gate?(): Gate;
  /** Runs the handler. Throws, or rejects, with what it throws or why its payload is refused. */
  run(ctx: JobContext): unknown;
  onDead?(error: Error, ctx: DeadContext): unknown;
}

/** Where a job says the version of its payload; without it, that is 1. */
export const VERSION_META = 'job-version';
/** Where a job names the fields to keep out of what others read, as JSON: a process that does not define it shows lists, too. */
export const REDACT_META = 'job-redact';

/** The task of a stored job; `undefined` when this process does not define it, or not in its version. */
export function taskOf(stored: DriverJob): Task | undefined {
  const { jobs, crons } = registry();
  if (stored.queue !== CRON_QUEUE) {
    const job = jobs.get(stored.name);
    return job && versionOf(stored) <= job.version ? jobTask(job, stored) : undefined;
  }
  const cron = crons.get(stored.name);
  if (!cron) return undefined;
  const scheduledFor = new Date(stored.tick ?? stored.addedAt);
  const { name, retries, timeout, backoff, overlap } = cron;
  return {
    ...{ retries, timeout, backoff },
    ...(overlap === 'queue' ? { gate: () => ({ concurrency: { key: `cron:${name}`, limit: 1 } }) } : {}),
    run: (ctx) => cron.handler(Object.assign(ctx, { scheduledFor })),
  };
}

/** How long an attempt of a stored job may take, in milliseconds; `undefined` where nothing is said. */
export function timeLimit({ name, queue }: DriverJob): number | undefined {
  const { jobs, crons } = registry();
  return (queue === CRON_QUEUE ? crons : jobs).get(name)?.timeout;
}

const versionOf = ({ meta }: Partial<Pick<DriverJob, 'meta'>>): number => Number(meta?.[VERSION_META] ?? 1);

/** Why this process has no task for a job, in words. */
export function whyUnknown(stored: DriverJob): string {
  const { jobs } = registry();
  const job = stored.queue === CRON_QUEUE ? undefined : jobs.get(stored.name);
  if (!job) return `nothing called "${stored.name}" is defined in this process`;
  return `"${stored.name}" is of version ${versionOf(stored)}, and this process knows it up to ${job.version}`;
}

function jobTask(job: Job, stored: DriverJob): Task {
  const { retries, timeout, backoff, onDead } = job;
  let parsed: unknown;
  // Where others look at the payload, too, the handler gets a copy: it may change what it is given.
  const isShared = onDead || job.redact.length > 0 || job.concurrency || job.rateLimit;
  const run = (ctx: JobContext): unknown =>
    unpackPayload(job, migrated(job, stored, isShared ? undefined : stored.data), (payload) => {
      parsed = payload;
      return job.handler(payload, ctx);
    });
  // Made for every job that runs, and most have none of the rest.
  const task: { -readonly [K in keyof Task]: Task[K] } = { retries, timeout, backoff, run };
  if (job.redact.length > 0) task.redact = redactorOf(job, stored, () => parsed);
  if (job.concurrency || job.rateLimit) task.gate = () => gateOf(job, migrated(job, stored));
  if (onDead) task.onDead = (error, ctx) => onDead(error, JSON.parse(stored.payload), ctx);
  return task;
}

/** {@link redactorOf} for a job that this process does not define: of the fields that it names itself. */
export function redactorOfUnknown(stored: StoredPayload): Redactor | undefined {
  const named = stored.meta?.[REDACT_META];
  if (named === undefined) return undefined;
  return redactor(JSON.parse(named) as string[], {
    stored: () => JSON.parse(stored.payload),
    others: () => [],
  });
}

/** A job as it is stored, as far as its payload and version go. */
type StoredPayload = Pick<DriverJob, 'payload'> & Partial<Pick<DriverJob, 'meta'>>;

/**
 * What keeps the values of the job's `redact` out of texts and lists; `undefined` when it has none. They are looked up in
 * the payload as it is stored, as it is in the job's version, and as `parsed` gives it.
 */
export function redactorOf(
  job: Job,
  stored: StoredPayload,
  parsed: () => unknown = () => undefined,
): Redactor | undefined {
  return redactor(job.redact, {
    stored: () => JSON.parse(stored.payload),
    others() {
      const version = versionOf(stored);
      if (version === job.version) return [parsed()];
      try {
        return version < job.version ? [migrated(job, stored), parsed()] : undefined;
      } catch {
        return undefined;
      }
    },
  });
}

/**
 * What a job must pass before it runs.
 *
 * @throws {@link LimitKeyError} `E_QUEUE_KEY` when a key function returns no text, and what it throws itself.
 */
export function gateOf({ name, concurrency, rateLimit }: Job, payload: unknown): Gate {
  const keyOf = (option: string, { key }: NonNullable<Job['concurrency']>): string => {
    if (key === undefined) return `${name}:`;
    const text: unknown = typeof key === 'function' ? key(payload) : key;
    if (typeof text !== 'string' || text === '') throw new LimitKeyError(name, option, text);
    return `${name}:${text}`;
  };
  return {
    ...(concurrency
      ? { concurrency: { key: keyOf('concurrency', concurrency), limit: concurrency.limit } }
      : {}),
    ...(rateLimit
      ? { rate: { key: keyOf('rateLimit', rateLimit), limit: rateLimit.limit, per: toMs(rateLimit.per) } }
      : {}),
  };
}

/** The payload of a stored job in the form of the job's version. `data`: a copy of it, where there is one. */
function migrated(job: Job, stored: StoredPayload, data?: unknown): unknown {
  let payload: unknown = data === undefined ? JSON.parse(stored.payload) : data;
  for (let version = versionOf(stored); version < job.version; version += 1) {
    const failed = (why: string, cause?: unknown): UnrecoverableError =>
      new UnrecoverableError(
        `The payload of "${job.name}" could not be brought from version ${version} to ${version + 1}: ${why}`,
        { cause },
      );
    const step = job.migrate[version];
    if (!step) throw failed(`\`migrate\` has no step ${version}`);
    try {
      payload = step(payload as never);
    } catch (thrown) {
      throw failed(messageOf(thrown), thrown);
    }
  }
  return payload;
}

/** {@link backoffDelay}, unless the job's own function fails: then the default, and `report` hears of it. */
export function delayAfter(
  task: Task,
  attempt: number,
  error: Error,
  random: () => number,
  report: (thrown: unknown) => void,
): number {
  try {
    return backoffDelay(task.backoff, attempt, error, random);
  } catch (thrown) {
    report(thrown);
    return backoffDelay('exponential', attempt, error, random);
  }
}
