import type { Backoff } from './backoff.ts';
import type { Duration, Logger, Schema, SchemaInput, SchemaOutput } from './core.ts';
import type { OnConflict, Priority } from './driver.ts';

/** What a handler is told beside its payload, and what it can say. */
export interface JobContext {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** True when a failure now leaves the job dead. */
  readonly lastAttempt: boolean;
  /** Aborts at the timeout, when the job is cancelled, and when the worker stops. Pass it to whatever you await. */
  readonly signal: AbortSignal;
  /** When the timeout strikes; absent without one. */
  readonly deadline?: Date;
  /** A logger that names the job on every line. */
  readonly log: Logger;
  /** Notes how far it is, 0 to 100, for who lists jobs. */
  progress(percent: number): Promise<void>;
  /** Ends this run; the job runs again after `delay`. It costs no attempt. */
  snooze(delay: Duration): never;
  /** Ends the job for good without failing: it need not run any more. */
  discard(reason: string): never;
  /**
   * Runs a step of the job that must not be repeated by its next attempt: once `fn` has returned, its result is kept with
   * the job, as JSON, and later attempts get it without a call. The first gets the same copy: a date comes as text. A
   * result that JSON cannot carry, a BigInt, leaves the step done without one and the job dead: `E_QUEUE_STEP_RESULT`. A
   * process that ends after `fn` and before the result is kept repeats it. A step that is done without a result, because
   * `fn` returned nothing or what JSON cannot carry, gives `undefined` to every later attempt, also after `retryDead`.
   */
  once<T>(key: string, fn: () => T | Promise<T>): Promise<T>;
}

/** Keeps a second job of the same key from waiting beside the first. */
export interface UniqueOptions<Payload = unknown> {
  /** The key, within the job's name; a function gets the payload as enqueued. */
  key: string | ((payload: Payload) => string);
  /**
   * Hold the key for this long, also when the job has finished by then. With `keep-last`, which drops no newcomer: start
   * jobs of the key at least this far apart. @default until it has completed or is dead
   */
  for?: Duration;
  /**
   * `skip` drops the newcomer. `replace` puts it in the place of the one that waits, and drops it while that one runs.
   * `keep-last` does the same, and keeps the newest of those that come while one runs: it follows when that has ended, its
   * `delay` counted from then. One that runs is never replaced. @default 'skip'
   */
  onConflict?: OnConflict;
}

/** The key of a job that must not wait twice: a text, a function of the payload, or {@link UniqueOptions}. */
export type Unique<Payload = unknown> = string | ((payload: Payload) => string) | UniqueOptions<Payload>;

/** How many jobs of a key run at once, over all processes: of a tenant, so that none takes all the slots. */
export interface ConcurrencyOptions<Payload = unknown> {
  limit: number;
  /**
   * A function gets the payload as enqueued, migrated, and returns a text with something in it: without one `enqueue` is
   * refused, and a stored job dead at once, with `E_QUEUE_KEY`. @default one key for all jobs of the name
   */
  key?: string | ((payload: Payload) => string);
}

/** How many jobs of a key start in a span of time, over all processes. */
export interface RateLimitOptions<Payload = unknown> extends ConcurrencyOptions<Payload> {
  /** The span, each beginning where the last one ends. */
  per: Duration;
}

/** How a job is run. */
export interface JobOptions<Payload = unknown> {
  /** How often a failed job is tried again: it has `retries + 1` attempts. @default 3 */
  retries?: number;
  /** The wait between attempts. @default 'exponential': 1 s, doubled each time, at most 10 minutes, half of it left to chance */
  backoff?: Backoff;
  /** Time for one attempt, after which `ctx.signal` aborts. @default none */
  timeout?: Duration;
  /** @default 'default' */
  queue?: string;
  /** @default 'normal' */
  priority?: Priority;
  unique?: Unique<Payload>;
  /**
   * Jobs over the limit wait without a slot, and jobs of other keys go ahead. Those of a key start by priority, and then
   * as they came. @default none
   */
  concurrency?: ConcurrencyOptions<Payload>;
  /** Jobs over the limit wait for the next span, without a slot. Each attempt counts. @default none */
  rateLimit?: RateLimitOptions<Payload>;
  /** The most a payload may take as JSON. @default 65536 */
  maxPayloadBytes?: number;
  /**
   * The version of the payload's form; raise it by one when the form changes, and say in `migrate` what becomes of older
   * payloads. A worker gives back jobs of a version that is newer than its own. @default 1
   */
  version?: number;
  /**
   * How payloads of older versions become those of the next: `{ 1: (old) => ({ ...old, locale: 'en' }) }` leads from 1 to 2.
   * Where they stay as they are, the step says so: `(old) => old`. The oldest steps may go once no such job is stored any
   * more; one that is there all the same is dead at once, with `E_QUEUE_UNRECOVERABLE`.
   */
  migrate?: Readonly<Record<number, (payload: never) => unknown>>;
  /**
   * Fields of the payload, such as `to` or `user.email`, whose values stay out of logs, telemetry, job lists and the
   * failures that are kept: as they were enqueued, as `migrate` and as the schema make them. What the handler derives from
   * them, and what it logs itself, does not. Texts of fewer than 4 characters stay in other texts.
   */
  redact?: readonly string[];
  /**
   * Called when the job is dead: it used up its attempts, lost its process too often, or could not be run at all. The
   * payload is as it was enqueued. At least once, like the job itself. What it throws is logged.
   */
  onDead?(error: Error, payload: Payload, ctx: DeadContext): unknown;
}

/** What {@link JobOptions.onDead} is told. */
export type DeadContext = Pick<JobContext, 'id' | 'name' | 'queue' | 'attempt' | 'log'>;

/** A job as it is defined. */
export interface JobDefinition<S extends Schema> {
  /** The name it is stored under: code that runs it later finds it by this name. */
  name: string;
  /** Any Standard Schema. A payload is checked against it when it is enqueued and parsed by it when it runs. */
  schema: S;
  /** Does the work. It may run more than once for one job: make it idempotent. */
  handler(payload: SchemaOutput<S>, ctx: JobContext): unknown;
  options?: JobOptions<SchemaInput<S>>;
  /** Take the place of a job of the same name, for code that is loaded again. @default false */
  replace?: boolean;
}

/** A defined job, with every default filled in. */
export interface Job<S extends Schema = Schema> {
  readonly name: string;
  readonly schema: S;
  readonly queue: string;
  readonly retries: number;
  readonly backoff: Backoff;
  /** Milliseconds. */
  readonly timeout: number | undefined;
  readonly priority: Priority;
  readonly unique: UniqueOptions<SchemaInput<S>> | undefined;
  readonly concurrency: ConcurrencyOptions<SchemaInput<S>> | undefined;
  readonly rateLimit: RateLimitOptions<SchemaInput<S>> | undefined;
  readonly maxPayloadBytes: number;
  readonly version: number;
  readonly migrate: Readonly<Record<number, (payload: never) => unknown>>;
  readonly redact: readonly string[];
  handler(payload: SchemaOutput<S>, ctx: JobContext): unknown;
  onDead?(error: Error, payload: SchemaInput<S>, ctx: DeadContext): unknown;
}
