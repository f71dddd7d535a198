import { messageOf, toMs } from '@vibeonrails/infra-core';
import { type Backoff, backoffDelay } from './backoff.ts';
import { CRON_QUEUE, registry } from './definitions.ts';
import type { DriverJob, Gate } from './driver.ts';
import { UnrecoverableError } from './errors.ts';
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

const versionOf = ({ meta }: DriverJob): number => Number(meta[VERSION_META] ?? 1);

/** Why this process has no task for a job, in words. */
export function whyUnknown(stored: DriverJob): string {
  const { jobs } = registry();
  const job = stored.queue === CRON_QUEUE ? undefined : jobs.get(stored.name);
  if (!job) return `nothing called "${stored.name}" is defined in this process`;
  return `"${stored.name}" is of version ${versionOf(stored)}, and this process knows it up to ${job.version}`;
}

function jobTask(job: Job, stored: DriverJob): Task {
  const { retries, timeout, backoff, onDead } = job;
  return {
    ...{ retries, timeout, backoff },
    redact: redactor(job.redact, () => JSON.parse(stored.payload)),
    ...(job.concurrency || job.rateLimit ? { gate: () => gateOf(job, migrated(job, stored)) } : {}),
    run: (ctx) => unpackPayload(job, migrated(job, stored), (payload) => job.handler(payload, ctx)),
    ...(onDead ? { onDead: (error, ctx) => onDead(error, JSON.parse(stored.payload), ctx) } : {}),
  };
}

function gateOf({ name, concurrency, rateLimit }: Job, payload: unknown): Gate {
  const keyOf = ({ key = '' }: NonNullable<Job['concurrency']>): string =>
    `${name}:${typeof key === 'function' ? key(payload) : key}`;
  return {
    ...(concurrency ? { concurrency: { key: keyOf(concurrency), limit: concurrency.limit } } : {}),
    ...(rateLimit
      ? { rate: { key: keyOf(rateLimit), limit: rateLimit.limit, per: toMs(rateLimit.per) } }
      : {}),
  };
}

/** The payload of a stored job in the form of the job's version. */
function migrated(job: Job, stored: DriverJob): unknown {
  let payload: unknown = JSON.parse(stored.payload);
  for (let version = versionOf(stored); version < job.version; version += 1) {
    const step = job.migrate[version];
    try {
      if (step) payload = step(payload as never);
    } catch (thrown) {
      const message = `The payload of "${job.name}" could not be brought from version ${version} to ${version + 1}: ${messageOf(thrown)}`;
      throw new UnrecoverableError(message, { cause: thrown });
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
