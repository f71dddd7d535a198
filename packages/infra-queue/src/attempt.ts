import {
  type Clock,
  contextStorage,
  extract,
  isInfraError,
  type Logger,
  operation,
  toMs,
} from '@vibeonrails/infra-core';
import type { DriverJob, Outcome } from './driver.ts';
import { JobTimeoutError, WorkerStoppingError } from './errors.ts';
import type { JobContext } from './job.ts';
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
}

/** One run of one job. */
export interface Attempt {
  /** How it ended. Never rejects. */
  readonly outcome: Promise<Outcome>;
  /** Aborts its signal because the worker stops. */
  stop(): void;
  /** Stops waiting for a handler that does not heed its signal: the outcome is a release, the handler is left alone. */
  abandon(): void;
}

const processing = operation('queue.process');

/** How an attempt goes back to its queue because its worker stops. */
export const STOPPED: Outcome = Object.freeze({ type: 'released', delay: 0 });

/** Thrown by `ctx.snooze` and `ctx.discard` to leave the handler; what was decided is kept beside it. */
const LEAVE = new Error('the handler was left through ctx.snooze() or ctx.discard(): let this error pass');

/** Runs a job once, in the context it was enqueued in, until its handler settles. `signal` is the driver's. */
export function startAttempt(job: DriverJob, task: Task, signal: AbortSignal, host: AttemptHost): Attempt {
  const abort = new AbortController();
  const passOn = (): void => abort.abort(signal.reason);
  if (signal.aborted) passOn();
  signal.addEventListener('abort', passOn, { once: true });
  let abandon: () => void = () => undefined;
  const abandoned = new Promise<Outcome>((resolve) => {
    abandon = () => resolve(STOPPED);
  });
  const run = contextStorage().run(extract({ ...job.meta }), () => runOnce(job, task, abort, host));
  return {
    outcome: Promise.race([run, abandoned]).finally(() => signal.removeEventListener('abort', passOn)),
    stop: () => abort.abort(new WorkerStoppingError()),
    abandon,
  };
}

async function runOnce(
  job: DriverJob,
  task: Task,
  abort: AbortController,
  host: AttemptHost,
): Promise<Outcome> {
  const { id, name, queue, attempt } = job;
  const log = host.log.child({ job: name, job_id: id, attempt });
  let decided: Outcome | undefined;
  const leave = (outcome: Outcome): never => {
    decided = outcome;
    throw LEAVE;
  };
  const ctx: JobContext = {
    ...{ id, name, queue, attempt, log },
    lastAttempt: attempt > task.retries,
    signal: abort.signal,
    ...(task.timeout === undefined ? {} : { deadline: new Date(host.clock.now() + task.timeout) }),
    progress: (percent) => host.progress(job, Math.min(100, Math.max(0, Number(percent) || 0))),
    snooze: (delay) => leave({ type: 'released', delay: toMs(delay) }),
    discard: (reason) => leave({ type: 'discarded', reason }),
  };
  const cancelTimeout = startTimeout(name, task.timeout, abort, host, log);
  try {
    await processing.trace(
      () =>
        task.run(ctx).catch((thrown: unknown) => {
          if (!decided) throw thrown;
        }),
      { job: name, queue, driver: host.driver, id, attempt },
    );
    return decided ?? { type: 'done' };
  } catch (thrown) {
    return await failed(thrown, job, task, abort.signal, host, log);
  } finally {
    cancelTimeout();
  }
}

function startTimeout(
  name: string,
  timeout: number | undefined,
  abort: AbortController,
  host: AttemptHost,
  log: Logger,
): () => void {
  if (timeout === undefined) return () => undefined;
  return host.clock.after(timeout, () => {
    log.warn(
      { timeout },
      'the job timed out: its signal is aborted, its slot stays taken until the handler returns',
    );
    abort.abort(new JobTimeoutError(name, timeout));
  });
}

/** What a failed run comes to. An abort explains the failure better than what the handler made of it. */
async function failed(
  thrown: unknown,
  job: DriverJob,
  task: Task,
  signal: AbortSignal,
  host: AttemptHost,
  log: Logger,
): Promise<Outcome> {
  const reason: unknown = signal.aborted ? signal.reason : undefined;
  if (isInfraError(reason, 'E_QUEUE_CANCELLED')) return { type: 'discarded', reason: 'cancelled' };
  if (reason !== undefined && !isInfraError(reason, 'E_QUEUE_TIMEOUT')) return STOPPED;
  const error = reason === undefined ? toError(thrown) : withCause(reason as Error, thrown);
  const hopeless = ['E_QUEUE_PAYLOAD', 'E_QUEUE_UNRECOVERABLE'].some((code) => isInfraError(error, code));
  if (!hopeless && job.attempt <= task.retries) {
    const delay = delayAfter(task, job.attempt, error, host.random, (err) =>
      log.error({ err }, "the job's backoff function failed: the default is used"),
    );
    log.warn({ err: error, delay }, `the job failed and is tried again in ${delay} ms`);
    return { type: 'retry', delay, error };
  }
  log.error({ err: error }, 'the job is dead');
  const { id, name, queue, attempt } = job;
  try {
    await task.onDead?.(error, { id, name, queue, attempt, log });
  } catch (err) {
    log.error({ err }, "the job's onDead failed");
  }
  return { type: 'dead', error };
}

const toError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** What the handler threw goes beside the timeout, unless it is the timeout. */
function withCause(error: Error, thrown: unknown): Error {
  if (thrown !== error && !('cause' in error))
    Object.defineProperty(error, 'cause', { value: thrown, configurable: true, writable: true });
  return error;
}
