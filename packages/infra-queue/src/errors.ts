import { InfraError } from './core.ts';

/** One thing that is wrong with a payload. */
export interface PayloadIssue {
  /** Where: `user.friends.2`; empty for the payload itself. */
  readonly path: string;
  readonly message: string;
}

const listed = (lines: readonly string[]): string =>
  lines.length === 1 ? ` ${lines[0]}.` : `\n${lines.map((line) => `  ${line}.`).join('\n')}\n`;

/** A definition of a job or a cron that cannot work. */
export class DefinitionError extends InfraError {
  readonly problems: readonly string[];

  constructor(kind: 'job' | 'cron', name: unknown, problems: readonly string[]) {
    super(`The ${kind} ${JSON.stringify(name) ?? 'without a name'} cannot be defined:${listed(problems)}`, {
      code: kind === 'job' ? 'E_QUEUE_JOB' : 'E_QUEUE_CRON',
      help: `Correct its ${kind === 'job' ? 'defineJob' : 'defineCron'}() call.`,
    });
    this.problems = problems;
  }
}

/** A second job or cron of the same name. */
export class DuplicateNameError extends InfraError {
  constructor(kind: 'job' | 'cron', name: string) {
    super(`A ${kind} called "${name}" is defined already.`, {
      code: 'E_QUEUE_DUPLICATE',
      help: 'Give it another name, or pass `replace: true` where code is meant to be loaded again.',
    });
  }
}

/** A payload that cannot be stored as it is, or that its schema refuses. */
export class PayloadError extends InfraError {
  readonly job: string;
  /** Everything that is wrong, at once. Values are not shown. */
  readonly issues: readonly PayloadIssue[];

  constructor(job: string, issues: readonly PayloadIssue[]) {
    const lines = issues.map(({ path, message }) => `${path || '(payload)'}: ${message.replace(/\.$/, '')}`);
    super(`The payload of "${job}" is refused:${listed(lines)}`, {
      code: 'E_QUEUE_PAYLOAD',
      help: 'Pass plain JSON data that the schema accepts: a date as ISO text, a big number as text, no undefined.',
    });
    this.job = job;
    this.issues = issues;
  }
}

/** A payload over the size a job may carry. */
export class PayloadSizeError extends InfraError {
  readonly job: string;

  constructor(job: string, bytes: number, maxBytes: number) {
    super(`The payload of "${job}" takes ${bytes} bytes, ${maxBytes} are allowed.`, {
      code: 'E_QUEUE_PAYLOAD_SIZE',
      help: "Store the data elsewhere and pass its key, or raise the job's `maxPayloadBytes`.",
    });
    this.job = job;
  }
}

/** An option of a call that makes no sense. */
export class QueueOptionError extends InfraError {
  constructor(call: string, option: string, expected: string) {
    super(`${call}: \`${option}\` must be ${expected}.`, { code: 'E_QUEUE_OPTION' });
  }
}

/**
 * The key function of a job's `concurrency` or `rateLimit` returned no text for a payload: refused when the job is enqueued,
 * and dead at once when it runs.
 */
export class LimitKeyError extends InfraError {
  constructor(job: string, option: string, returned: unknown) {
    const what = returned === '' ? 'an empty text' : returned === null ? 'null' : typeof returned;
    super(`\`${option}.key\` of "${job}" returned ${what} for a payload, where a text is needed.`, {
      code: 'E_QUEUE_KEY',
      help: "Return a text for every payload: `(p) => p.tenantId ?? 'none'`, String(id) for a number.",
    });
  }
}

/** The queue was used after close(). */
export class QueueClosedError extends InfraError {
  constructor() {
    super('The queue is closed.', { code: 'E_QUEUE_CLOSED', help: 'Create another one, or close it later.' });
  }
}

/** An attempt ran longer than its job's timeout. It is the reason of `ctx.signal`. */
export class JobTimeoutError extends InfraError {
  constructor(job: string, timeout: number, cause?: unknown) {
    super(`"${job}" did not finish within ${timeout} ms.`, {
      code: 'E_QUEUE_TIMEOUT',
      retryable: true,
      help: "Pass `ctx.signal` to what the handler awaits, or raise the job's `timeout`.",
      cause,
    });
  }
}

/** A job was cancelled while it ran. It is the reason of `ctx.signal`. */
export class JobCancelledError extends InfraError {
  constructor(id: string) {
    super(`The job ${id} was cancelled.`, { code: 'E_QUEUE_CANCELLED' });
  }
}

/** The worker stops and its grace period is over. It is the reason of `ctx.signal`; the job will run again. */
export class WorkerStoppingError extends InfraError {
  constructor() {
    super('The worker stops: the job goes back to its queue and will run again.', {
      code: 'E_QUEUE_STOPPING',
      retryable: true,
    });
  }
}

/** Throw it from a handler when trying again cannot help: the job is dead at once, whatever retries it has left. */
export class UnrecoverableError extends InfraError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { code: 'E_QUEUE_UNRECOVERABLE', cause: options.cause });
  }
}

/** A step under `ctx.once` returned what JSON cannot carry. The step is kept as done, without a result; the job is dead. */
export class StepResultError extends InfraError {
  constructor(job: string, key: string, cause: unknown) {
    super(`The step "${key}" of "${job}" is done, and its result cannot be kept as JSON.`, {
      code: 'E_QUEUE_STEP_RESULT',
      help: 'Return plain JSON data from the step, or nothing: a big number as text, no cycles.',
      cause,
    });
  }
}

/** The store of the queue did not answer in time, or is away. */
export class QueueUnavailableError extends InfraError {
  constructor(problem: string, cause?: unknown) {
    super(`The queue cannot be reached: ${problem}.`, {
      code: 'E_QUEUE_UNAVAILABLE',
      retryable: true,
      help: 'What it was asked may have been done all the same: enqueue again under the same `id`, which is never stored twice.',
      cause,
    });
  }
}

/** The server of the queue is too old. */
export class RedisVersionError extends InfraError {
  constructor(found: string, needed: string) {
    super(`The queue needs Redis ${needed} or later, and the server is ${found}.`, {
      code: 'E_QUEUE_REDIS_VERSION',
      help: 'Upgrade the server, or give the queue one of its own by QUEUE_REDIS_URL.',
    });
  }
}

/** A job whose process ended each time while it ran. */
export class JobLostError extends InfraError {
  constructor(job: string, times: number) {
    super(`"${job}" lost its process ${times} times while it ran.`, {
      code: 'E_QUEUE_LOST',
      help: 'Look for what ends the process: memory that runs out, process.exit(), a native crash.',
    });
  }
}
