import { type Duration, isInfraError, type Logger, toMs } from '@vibeonrails/infra-core';
import type { AttemptHost } from './attempt.ts';
import type { DriverJob, Outcome } from './driver.ts';
import { StepResultError } from './errors.ts';
import type { JobContext } from './job.ts';
import type { Task } from './task.ts';

/** A signal that is made when somebody asks for it: most handlers never do, and one per job is dear. */
export class LazySignal {
  #controller: AbortController | undefined;
  #reason: unknown;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  /** Why it was aborted; `undefined` while it is not. */
  get reason(): unknown {
    return this.#reason;
  }

  /** Aborts it. The first reason stays, but a cancellation comes before any. */
  abort(reason: unknown): void {
    if (this.#reason === undefined || isInfraError(reason, 'E_QUEUE_CANCELLED')) this.#reason = reason;
    this.#controller?.abort(this.#reason);
  }
}

/** Thrown by `ctx.snooze` and `ctx.discard` to leave the handler; what was decided is kept beside it. */
const LEAVE = new Error('the handler was left through ctx.snooze() or ctx.discard(): let this error pass');

/** What a handler is told of its run. Its calls also work when they are taken out of it. */
export class RunContext implements JobContext {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly attempt: number;
  readonly lastAttempt: boolean;
  declare readonly deadline?: Date;
  /** What the handler decided by leaving early. */
  decided: Outcome | undefined;
  readonly #job: DriverJob;
  readonly #own: LazySignal;
  readonly #host: AttemptHost;
  #log: Logger | undefined;

  constructor(job: DriverJob, { retries, timeout }: Task, own: LazySignal, host: AttemptHost) {
    this.id = job.id;
    this.name = job.name;
    this.queue = job.queue;
    this.attempt = job.attempt;
    this.lastAttempt = job.attempt > retries;
    if (timeout !== undefined) this.deadline = new Date(host.clock.now() + timeout);
    this.#job = job;
    this.#own = own;
    this.#host = host;
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }

  get log(): Logger {
    const { name: job, id: job_id, attempt } = this;
    this.#log ??= this.#host.log.child({ job, job_id, attempt });
    return this.#log;
  }

  get progress(): JobContext['progress'] {
    return (percent) => this.#host.progress(this.#job, Math.min(100, Math.max(0, Number(percent) || 0)));
  }

  get snooze(): JobContext['snooze'] {
    return (delay: Duration) => this.#leave({ type: 'released', delay: toMs(delay) });
  }

  get discard(): JobContext['discard'] {
    return (reason) => this.#leave({ type: 'discarded', reason });
  }

  get once(): JobContext['once'] {
    return (key, fn) => runStep(this.#job, String(key), fn, this.#host);
  }

  #leave(outcome: Outcome): never {
    this.decided = outcome;
    throw LEAVE;
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
