import { randomUUID } from 'node:crypto';
import {
  type Clock,
  contextStorage,
  type Duration,
  inject,
  type Schema,
  type SchemaInput,
  toMs,
} from '@vibeonrails/infra-core';
import {
  ID_FORM,
  isDuration,
  isJobId,
  isUnique,
  PRIORITIES,
  PRIORITY_FORM,
  UNIQUE_FORM,
  uniqueOptions,
} from './definitions.ts';
import { type Added, type NewJob, NO_META, type Priority, type UniqueKey } from './driver.ts';
import { QueueOptionError } from './errors.ts';
import type { Job, Unique, UniqueOptions } from './job.ts';
import { packPayload } from './payload.ts';
import { gateOf, REDACT_META, VERSION_META } from './task.ts';

/** How one job is enqueued. */
export interface EnqueueOptions<Payload = unknown> {
  /** Run it no sooner than this from now. */
  delay?: Duration;
  /** Run it no sooner than this; a time in the past is now. Not together with `delay`. */
  at?: Date;
  /** @default the job's */
  priority?: Priority;
  /** Takes the place of the job's own `unique`. */
  unique?: Unique<Payload>;
  /** An id of your own. While a job of this id is known, in whatever state, a second one is a duplicate. @default a random one */
  id?: string;
}

/** How many jobs are enqueued at once. */
export type EnqueueManyOptions = Pick<EnqueueOptions, 'delay' | 'at' | 'priority'>;

/** How a chain is enqueued: options of its first step. The steps get `id` with their number: `order-42.1`. */
export type ChainOptions = Pick<EnqueueOptions, 'delay' | 'at' | 'priority' | 'id'>;

/** What defineJob() returned, as far as a chain looks at it. */
export type ChainJob = { readonly name: string; readonly schema: Schema };

/** The steps of a chain: `[[resize, { file }], [notify, { to }]]`. */
export type ChainSteps<J extends readonly ChainJob[]> = {
  readonly [K in keyof J]: readonly [job: J[K], payload: SchemaInput<J[K]['schema']>];
};

/** A chain, and the ids of its jobs in their order. `duplicate`: one of this id is there already. */
export interface EnqueuedChain {
  readonly ids: readonly string[];
  readonly status: 'enqueued' | 'duplicate';
}

/**
 * What became of a job. `duplicate`: there is one already, under the returned id. `replaced`: it took the place of one
 * that waited under the same unique key, or that `keep-last` had kept.
 */
export type Enqueued = Added;

/** What became of one of many: see {@link Enqueued}; `failed` with what would have been thrown for it alone. */
export type EnqueueOutcome = Enqueued | { readonly status: 'failed'; readonly error: Error };

/**
 * A job ready for the driver, its payload and options checked. A promise of it where its schema takes its time.
 *
 * @throws as `enqueue`.
 */
export function prepareJob<S extends Schema>(
  job: Job<S>,
  payload: SchemaInput<S>,
  options: EnqueueOptions<SchemaInput<S>>,
  clock: Clock,
): NewJob | Promise<NewJob> {
  if (options !== DEFAULTS) checkOptions(options);
  const { id, delay, at, priority = job.priority } = options;
  const unique = options.unique === undefined ? job.unique : uniqueOptions(options.unique);
  const prepared = (text: string): NewJob => {
    // Before it is stored: a job without a key could only die.
    if (job.concurrency || job.rateLimit) gateOf(job as unknown as Job, payload);
    const plain: { -readonly [K in keyof NewJob]: NewJob[K] } = {
      id: id ?? randomUUID(),
      generated: id === undefined,
      name: job.name,
      queue: job.queue,
      payload: text,
      meta: metaOf(job),
      priority,
      attempts: job.retries + 1,
      delay: at ? Math.max(0, at.getTime() - clock.now()) : toMs(delay ?? 0),
    };
    if (at) plain.at = at.getTime();
    if (unique) plain.unique = uniqueKey(job, payload, unique);
    return plain;
  };
  const packed = packPayload(job, payload);
  return typeof packed === 'string' ? prepared(packed) : packed.then(prepared);
}

/** The options of a job that is enqueued without any. */
export const DEFAULTS: EnqueueOptions = Object.freeze({});

function metaOf({ version, redact }: { version: number; redact: readonly string[] }): NewJob['meta'] {
  if (version === 1 && redact.length === 0 && !contextStorage().getStore()) return NO_META;
  const meta = inject({}) as Record<string, string>;
  if (version > 1) meta[VERSION_META] = String(version);
  if (redact.length > 0) meta[REDACT_META] = JSON.stringify(redact);
  return meta;
}

function uniqueKey<P>({ name }: { name: string }, payload: P, unique: UniqueOptions<P>): UniqueKey {
  const { key, for: window, onConflict = 'skip' } = unique;
  const text = typeof key === 'function' ? key(payload) : key;
  if (typeof text !== 'string' || text === '')
    throw new QueueOptionError(
      `enqueue("${name}")`,
      'unique',
      'a function that returns a text with something in it',
    );
  return {
    key: `${name}:${text}`,
    ...(window === undefined ? {} : { ttl: toMs(window) }),
    onConflict,
  };
}

function checkOptions<P>({ delay, at, priority, unique, id }: EnqueueOptions<P>): void {
  const must = (holds: boolean, option: string, form: string): void => {
    if (!holds) throw new QueueOptionError('enqueue()', option, form);
  };
  must(delay === undefined || isDuration(delay), 'delay', "a duration such as '5m'");
  must(at === undefined || (at instanceof Date && !Number.isNaN(at.getTime())), 'at', 'a valid Date');
  must(at === undefined || delay === undefined, 'at', 'given without `delay`, or the other way round');
  must(priority === undefined || PRIORITIES.includes(priority), 'priority', PRIORITY_FORM);
  must(unique === undefined || isUnique(unique), 'unique', UNIQUE_FORM);
  must(id === undefined || isJobId(id), 'id', ID_FORM);
}
