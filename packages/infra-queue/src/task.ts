import { type Backoff, backoffDelay } from './backoff.ts';
import { CRON_QUEUE, registry } from './definitions.ts';
import type { DriverJob } from './driver.ts';
import type { DeadContext, Job, JobContext } from './job.ts';
import { unpackPayload } from './payload.ts';

/** What a stored job comes to in this process: how it is run, and on what terms. */
export interface Task {
  readonly retries: number;
  /** Milliseconds. */
  readonly timeout: number | undefined;
  readonly backoff: Backoff;
  run(ctx: JobContext): Promise<unknown>;
  onDead?(error: Error, ctx: DeadContext): unknown;
}

/** The task of a stored job; `undefined` when this process defines no job or cron of its name. */
export function taskOf(stored: DriverJob): Task | undefined {
  const { jobs, crons } = registry();
  if (stored.queue !== CRON_QUEUE) {
    const job = jobs.get(stored.name);
    return job && jobTask(job, stored);
  }
  const cron = crons.get(stored.name);
  if (!cron) return undefined;
  const scheduledFor = new Date(stored.tick ?? stored.addedAt);
  return { ...cron, run: async (ctx) => cron.handler(Object.assign(ctx, { scheduledFor })) };
}

function jobTask(job: Job, stored: DriverJob): Task {
  const { retries, timeout, backoff, onDead } = job;
  return {
    ...{ retries, timeout, backoff },
    run: async (ctx) => job.handler(await unpackPayload(job, stored.payload), ctx),
    ...(onDead ? { onDead: (error, ctx) => onDead(error, JSON.parse(stored.payload), ctx) } : {}),
  };
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
