import {
  type Clock,
  contextStorage,
  extract,
  isInfraError,
  type Logger,
  operation,
} from '@vibeonrails/infra-core';
import { followingJob } from './chain.ts';
import { type DriverJob, type NewJob, NO_META, type Outcome } from './driver.ts';
import { JobTimeoutError, WorkerStoppingError } from './errors.ts';
import { toError } from './failure.ts';
import type { JobContext } from './job.ts';
import { type LazySignal, RunContext } from './run-context.ts';
import { delayAfter, type Task } from './task.ts';

/** What an attempt needs from its worker. */
export interface AttemptHost {
  /** The driver's name. */
  readonly driver: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  /** Notes the progress of a job. */
  progress(job: DriverJob, percent: number): Promise<void>;
  /** Stores the job that follows one that is done. */
  add(job: NewJob): Promise<unknown>;
  /** What a job remembers under a key. */
  recall(job: DriverJob, key: string): Promise<string | undefined>;
  /** Lets a job remember a text under a key. */
  remember(job: DriverJob, key: string, value: string): Promise<void>;
}

const processing = operation('queue.process');

/** How an attempt goes back to its queue because its worker stops. */
export const STOPPED: Outcome = Object.freeze({ type: 'released', delay: 0 });

const DONE: Outcome = Object.freeze({ type: 'done' });

/** One run of one job, in the context it was enqueued in, until its handler settles. Whoever holds `own` can abort it. */
export class Attempt {
  /** How it ended. Never rejects. */
  readonly outcome: Promise<Outcome>;
  readonly #own: LazySignal;
  #settle!: (outcome: Outcome) => void;

  constructor(job: DriverJob, task: Task, own: LazySignal, host: AttemptHost) {
    this.#own = own;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
    runInContext(job, task, own, host).then(this.#settle, (thrown: unknown) =>
      this.#settle(broken(thrown, job, task)),
    );
  }

  /** Aborts its signal because the worker stops. */
  stop(): void {
    this.#own.abort(new WorkerStoppingError());
  }

  /** Stops waiting for a handler that does not heed its signal: the outcome is a release, the handler is left alone. */
  abandon(): void {
    this.#settle(STOPPED);
  }
}

/** {@link runOnce} in the context that travelled with the job, or in none. */
function runInContext(job: DriverJob, task: Task, own: LazySignal, host: AttemptHost): Promise<Outcome> {
  const storage = contextStorage();
  const travelled = job.meta !== NO_META && Object.keys(job.meta).length > 0;
  if (!travelled && !storage.getStore()) return runOnce(job, task, own, host);
  return storage.run(extract({ ...job.meta }), () => runOnce(job, task, own, host));
}

async function runOnce(job: DriverJob, task: Task, own: LazySignal, host: AttemptHost): Promise<Outcome> {
  const { id, name, queue, attempt } = job;
  const ctx = new RunContext(job, task, own, host);
  const cancelTimeout = startTimeout(ctx, task.timeout, own, host.clock);
  try {
    if (processing.hasSubscribers) {
      const told = { job: name, queue, driver: host.driver, id, attempt };
      await processing.trace(() => runTask(task, ctx), told);
    } else await task.run(ctx);
    if (ctx.decided) return redacted(ctx.decided, task);
    // Before the outcome, so that a process that ends here repeats the step and loses no other.
    const following = isInfraError(own.reason, 'E_QUEUE_CANCELLED') ? undefined : followingJob(job);
    if (following) await host.add(following);
    return DONE;
  } catch (thrown) {
    if (ctx.decided) return redacted(ctx.decided, task);
    return await failed(task.redact?.error(toError(thrown)) ?? thrown, ctx, task, own.reason, host);
  } finally {
    cancelTimeout?.();
  }
}

/** What a run comes to whose end could not even be told, such as by a logger that throws: as after any failure. */
function broken(thrown: unknown, { attempt }: DriverJob, { retries }: Task): Outcome {
  const error = toError(thrown);
  return attempt > retries ? { type: 'dead', error } : { type: 'retry', delay: 1000, error };
}

/** Runs the handler for those who trace it: they hear of nothing that is no failure, and of no secret. */
async function runTask(task: Task, ctx: RunContext): Promise<void> {
  try {
    await task.run(ctx);
  } catch (thrown) {
    if (!ctx.decided) throw task.redact?.error(toError(thrown)) ?? thrown;
  }
}

/** What the handler decided, its words without what is to be kept out of them. */
const redacted = (outcome: Outcome, { redact }: Task): Outcome =>
  outcome.type === 'discarded' && redact
    ? { ...outcome, reason: redact.text(String(outcome.reason)) }
    : outcome;

function startTimeout(
  ctx: JobContext,
  timeout: number | undefined,
  own: LazySignal,
  clock: Clock,
): (() => void) | undefined {
  if (timeout === undefined) return undefined;
  return clock.after(timeout, () => {
    ctx.log.warn(
      { timeout },
      'the job timed out: its signal is aborted, its slot stays taken until the handler returns',
    );
    own.abort(new JobTimeoutError(ctx.name, timeout));
  });
}

/** The failures that another attempt cannot mend. */
const HOPELESS = [
  'E_QUEUE_KEY',
  'E_QUEUE_LOST',
  'E_QUEUE_PAYLOAD',
  'E_QUEUE_STEP_RESULT',
  'E_QUEUE_UNRECOVERABLE',
] as const;

/** What a failed run comes to. The reason of an abort explains it better than what the handler made of that. */
async function failed(
  thrown: unknown,
  ctx: JobContext,
  task: Task,
  reason: unknown,
  host: AttemptHost,
): Promise<Outcome> {
  if (isInfraError(reason, 'E_QUEUE_CANCELLED')) return { type: 'discarded', reason: 'cancelled' };
  if (reason !== undefined && !isInfraError(reason, 'E_QUEUE_TIMEOUT')) return STOPPED;
  const error = reason === undefined ? toError(thrown) : withCause(reason, thrown);
  const { id, name, queue, attempt, lastAttempt, log } = ctx;
  const hopeless = HOPELESS.some((code) => isInfraError(error, code));
  // What the application's other functions throw is logged, too.
  const censored = (other: unknown): unknown => task.redact?.error(toError(other)) ?? other;
  if (!hopeless && !lastAttempt) {
    const delay = delayAfter(task, attempt, error, host.random, (err) =>
      log.error({ err: censored(err) }, "the job's backoff function failed: the default is used"),
    );
    log.warn({ err: error, delay }, `the job failed and is tried again in ${delay} ms`);
    return { type: 'retry', delay, error };
  }
  log.error({ err: error }, 'the job is dead');
  try {
    await task.onDead?.(error, { id, name, queue, attempt, log });
  } catch (err) {
    log.error({ err: censored(err) }, "the job's onDead failed");
  }
  return { type: 'dead', error };
}

/** What the handler threw goes beside the timeout, unless it is the timeout. */
function withCause(error: Error, thrown: unknown): Error {
  if (thrown !== error && !('cause' in error))
    Object.defineProperty(error, 'cause', { value: thrown, configurable: true, writable: true });
  return error;
}
