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
import { JobTimeoutError, StepResultError, WorkerStoppingError } from './errors.ts';
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
  /** Stores the job that follows one that is done. */
  follow(job: DriverJob): Promise<void>;
  /** What a job remembers under a key. */
  recall(job: DriverJob, key: string): Promise<string | undefined>;
  /** Lets a job remember a text under a key. */
  remember(job: DriverJob, key: string, value: string): Promise<void>;
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

const DONE: Outcome = Object.freeze({ type: 'done' });

/** Thrown by `ctx.snooze` and `ctx.discard` to leave the handler; what was decided is kept beside it. */
const LEAVE = new Error('the handler was left through ctx.snooze() or ctx.discard(): let this error pass');

/** A signal that is made when somebody asks for it: most handlers never do, and one per job is dear. */
interface LazySignal {
  readonly signal: AbortSignal;
  /** Why it was aborted; `undefined` while it is not. */
  readonly reason: unknown;
  /** Aborts it. The first reason stays, but a cancellation comes before any. */
  abort(reason: unknown): void;
}

function lazySignal(): LazySignal {
  let controller: AbortController | undefined;
  let why: unknown;
  return {
    get signal() {
      controller ??= new AbortController();
      if (why !== undefined) controller.abort(why);
      return controller.signal;
    },
    get reason() {
      return why;
    },
    abort(reason) {
      if (why === undefined || isInfraError(reason, 'E_QUEUE_CANCELLED')) why = reason;
      controller?.abort(why);
    },
  };
}

/** Runs a job once, in the context it was enqueued in, until its handler settles. `signal` is the driver's. */
export function startAttempt(job: DriverJob, task: Task, signal: AbortSignal, host: AttemptHost): Attempt {
  const own = lazySignal();
  const passOn = (): void => own.abort(signal.reason);
  if (signal.aborted) passOn();
  else signal.addEventListener('abort', passOn, { once: true });
  const run = contextStorage().run(extract({ ...job.meta }), () => runOnce(job, task, own, host));
  let abandon: () => void = () => undefined;
  const outcome = new Promise<Outcome>((resolve) => {
    abandon = () => resolve(STOPPED);
    void run.then(resolve);
  });
  return { outcome, stop: () => own.abort(new WorkerStoppingError()), abandon };
}

async function runOnce(job: DriverJob, task: Task, own: LazySignal, host: AttemptHost): Promise<Outcome> {
  const { id, name, queue, attempt } = job;
  let logger: Logger | undefined;
  let decided: Outcome | undefined;
  const leave = (outcome: Outcome): never => {
    decided = outcome;
    throw LEAVE;
  };
  const ctx: JobContext = {
    ...{ id, name, queue, attempt },
    lastAttempt: attempt > task.retries,
    ...(task.timeout === undefined ? {} : { deadline: new Date(host.clock.now() + task.timeout) }),
    get signal() {
      return own.signal;
    },
    get log() {
      logger ??= host.log.child({ job: name, job_id: id, attempt });
      return logger;
    },
    progress: (percent) => host.progress(job, Math.min(100, Math.max(0, Number(percent) || 0))),
    snooze: (delay) => leave({ type: 'released', delay: toMs(delay) }),
    discard: (reason) => leave({ type: 'discarded', reason }),
    once: (key, fn) => runStep(job, String(key), fn, host),
  };
  const cancelTimeout = startTimeout(ctx, task.timeout, own, host.clock);
  try {
    await processing.trace(
      () =>
        task.run(ctx).catch((thrown: unknown) => {
          // Before anybody sees it: whoever traces the operation gets the error as it is here.
          if (!decided) throw task.redact?.error(toError(thrown)) ?? thrown;
        }),
      { job: name, queue, driver: host.driver, id, attempt },
    );
    if (decided) return decided;
    // Before the outcome, so that a process that ends here repeats the step and loses no other.
    if (!isInfraError(own.reason, 'E_QUEUE_CANCELLED')) await host.follow(job);
    return DONE;
  } catch (thrown) {
    return await failed(thrown, ctx, task, own.reason, host);
  } finally {
    cancelTimeout?.();
  }
}

/** {@link JobContext.once}. */
async function runStep<T>(
  job: DriverJob,
  key: string,
  fn: () => T | Promise<T>,
  host: AttemptHost,
): Promise<T> {
  const kept = await host.recall(job, key);
  if (kept !== undefined) return (JSON.parse(kept) as [T?])[0] as T;
  const result = await fn();
  let text: string;
  try {
    text = JSON.stringify(result === undefined ? [] : [result]);
  } catch (thrown) {
    // The step is done, whatever it returned.
    await host.remember(job, key, '[]');
    throw new StepResultError(job.name, key, thrown);
  }
  await host.remember(job, key, text);
  // What later attempts get.
  return (JSON.parse(text) as [T?])[0] as T;
}

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
  const hopeless = ['E_QUEUE_PAYLOAD', 'E_QUEUE_STEP_RESULT', 'E_QUEUE_UNRECOVERABLE'].some((code) =>
    isInfraError(error, code),
  );
  if (!hopeless && !lastAttempt) {
    const delay = delayAfter(task, attempt, error, host.random, (err) =>
      log.error({ err }, "the job's backoff function failed: the default is used"),
    );
    log.warn({ err: error, delay }, `the job failed and is tried again in ${delay} ms`);
    return { type: 'retry', delay, error };
  }
  log.error({ err: error }, 'the job is dead');
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
