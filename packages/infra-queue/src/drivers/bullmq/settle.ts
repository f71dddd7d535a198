import type { Logger } from '@vibeonrails/infra-core';
import type { Job } from 'bullmq';
import type { Failure, Gate, Outcome } from '../../driver.ts';
import { failureOf } from '../../failure.ts';
import { leaveGate } from './gates.ts';
import { SET_FIELD } from './memory-fields.ts';
import { FAILURE_FIELD } from './records.ts';
import type { Bullmq, Store } from './store.ts';

/** A run whose outcome is to be written. */
export interface Settling {
  readonly bullmq: Bullmq;
  readonly store: Store;
  readonly queue: string;
  readonly job: Job;
  /** Of the lock under which it runs. */
  readonly token: string;
  readonly log: Logger;
}

/** Tells BullMQ to run a job again after a delay. */
export class RetryError extends Error {
  readonly delay: number;

  constructor({ name, message, stack }: Failure, delay: number) {
    super(message);
    this.name = name;
    this.stack = stack ?? '';
    this.delay = delay;
  }
}

/** Turns an outcome into what BullMQ's worker understands: a result, or something thrown. */
export async function settle(run: Settling, outcome: Outcome): Promise<unknown> {
  const { bullmq, job } = run;
  // One stack is kept, as one failure is.
  job.opts.stackTraceLimit = 1;
  switch (outcome.type) {
    case 'done':
      return completing(job, undefined);
    case 'discarded':
      return completing(job, { discarded: outcome.reason });
    case 'released':
      await release(run, outcome.delay, outcome.parked);
      throw new bullmq.WaitingError();
    case 'retry':
      job.opts.attempts = Number.MAX_SAFE_INTEGER;
      job.opts.backoff = { type: 'infra' };
      throw new RetryError(await noted(run, outcome.error), outcome.delay);
    case 'dead': {
      const { message, stack } = await noted(run, outcome.error);
      throw Object.assign(new bullmq.UnrecoverableError(message), { stack });
    }
  }
}

/** Has BullMQ try once more where it would note that the job failed: it did not, a server in a failover refused the outcome. */
function completing(job: Job, result: unknown): unknown {
  job.moveToFailed = (_refused, token, fetchNext) => job.moveToCompleted(result, token, fetchNext);
  return result;
}

/** Gives a job back. When that fails its lock runs out, and another worker finds it. */
async function release(
  { store, queue, job, token, log }: Settling,
  delay: number,
  parked: Gate | undefined,
): Promise<void> {
  try {
    if (delay > 0) {
      await job.moveToDelayed(Date.now() + delay, token);
      // Room may have come while it was on its way to wait for it.
      if (parked) await leaveGate(store, queue, job.id ?? '', token, parked);
      return;
    }
    await job.moveToWait(token);
    // BullMQ wakes no other worker for a job with a priority that comes back.
    await store.run(({ client }) => client.call('ZADD', store.keys(queue).key('marker'), 0, '0'));
  } catch (err) {
    log.warn(
      { err, job: job.name, job_id: job.id, queue },
      'the job was not given back and will be found again',
    );
  }
}

/** Keeps a failure with its job. Without it, what BullMQ keeps has to do. */
async function noted({ store, queue, job, log }: Settling, error: Error): Promise<Failure> {
  const failure = failureOf(error);
  const args = [store.keys(queue).key(job.id ?? ''), FAILURE_FIELD, JSON.stringify(failure)];
  await store
    .run(({ client }) => client.call('EVAL', SET_FIELD, 1, ...args))
    .catch((err: unknown) =>
      log.warn({ err, job_id: job.id, queue }, "the job's failure was not kept in full"),
    );
  return failure;
}
