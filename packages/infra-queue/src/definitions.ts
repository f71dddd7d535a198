import type { Backoff, BackoffOptions } from './backoff.ts';
import { type Duration, isSchema, type Schema, slot, toMs } from './core.ts';
import type { Cron } from './cron.ts';
import type { Priority } from './driver.ts';
import { DefinitionError, DuplicateNameError } from './errors.ts';
import type { ConcurrencyOptions, Job, JobDefinition, Unique, UniqueOptions } from './job.ts';

interface Registry {
  readonly jobs: Map<string, Job>;
  readonly crons: Map<string, Cron>;
  /** Called after each definition, so that a worker serves what is loaded after it started. */
  readonly watchers: Set<() => void>;
}

/** Every job and cron this process has defined, whichever copy of the package did. */
export const registry = (): Registry =>
  slot<Registry>('queue.registry', 1, () => ({ jobs: new Map(), crons: new Map(), watchers: new Set() }));

/** Adds a definition. @throws {@link DuplicateNameError} `E_QUEUE_DUPLICATE` when the name is taken and `replace` is not true. */
export function register<T extends Job | Cron>(kind: 'job' | 'cron', definition: T, replace = false): T {
  const { jobs, crons, watchers } = registry();
  const names: Map<string, Job | Cron> = kind === 'job' ? jobs : crons;
  if (names.has(definition.name) && !replace) throw new DuplicateNameError(kind, definition.name);
  names.set(definition.name, definition);
  for (const watcher of watchers) watcher();
  return definition;
}

/** The queue that crons run on. */
export const CRON_QUEUE = 'cron';

/** No regular expression yet: one with every script's letters takes Node.js as long to read as a whole file. */
const NAME = String.raw`^[\p{L}\p{N}][\p{L}\p{N} ._:/@-]{0,199}$`;
const QUEUE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** What every store takes as an id: no colon, and not all digits. */
const ID = /^(?!\d+$)[A-Za-z0-9][A-Za-z0-9._@-]{0,199}$/;
/**
 * What BullMQ keeps of a queue lies beside its jobs, under these names: a job of that id would take the place of the
 * queue's own list. Refused by every driver, so that what works in memory works in Redis. What we keep has a colon.
 */
const RESERVED_IDS: ReadonlySet<string> = new Set(
  (
    'active completed de delayed dn events failed id limiter marker meta metrics paused pc prioritized priority repeat ' +
    'stalled stalled-check wait waiting-children'
  ).split(' '),
);

/** The expected form of a queue's name. */
export const QUEUE_FORM = 'a name of letters, digits, dots, dashes and underscores, up to 100 long';
/** The expected form of a job's id. */
export const ID_FORM =
  "letters, digits, dots, dashes, underscores and @, up to 200 long, not only digits, and no name of BullMQ's own such as wait or active";

/** The expected form of what the keys of a shared store start with. */
export const PREFIX_FORM = 'letters, digits, dots, dashes and underscores, up to 100 long';

/** True for what the keys of a shared store may start with. */
export const isPrefix = (value: unknown): value is string => isQueueName(value);
/** True for a name of a queue. */
export const isQueueName = (value: unknown): value is string =>
  typeof value === 'string' && QUEUE.test(value);
/** True for an id of a job. */
export const isJobId = (value: unknown): value is string =>
  typeof value === 'string' && ID.test(value) && !RESERVED_IDS.has(value);
/** True for a {@link Duration} of more than 0. */
const isPositiveDuration = (value: Duration): boolean => isDuration(value) && toMs(value) > 0;

/** True for a {@link Duration}. */
export function isDuration(value: Duration): boolean {
  try {
    return toMs(value) >= 0;
  } catch {
    return false;
  }
}

/** The texts of those rules that do not hold. */
export const broken = (rules: readonly (readonly [boolean, string])[]): string[] =>
  rules.flatMap(([holds, text]) => (holds ? [] : [text]));

/** The rules that jobs and crons share. */
export function commonRules(it: {
  name: unknown;
  handler: unknown;
  retries: number;
  timeout: Duration | undefined;
}): (readonly [boolean, string])[] {
  return [
    [
      typeof it.name === 'string' && new RegExp(NAME, 'u').test(it.name),
      '`name` must start with a letter or digit and go on with letters, digits, blanks and ._:/@-, up to 200 long',
    ],
    [typeof it.handler === 'function', '`handler` must be a function'],
    [
      Number.isInteger(it.retries) && it.retries >= 0 && it.retries <= 1000,
      '`retries` must be a whole number from 0 to 1000',
    ],
    [
      it.timeout === undefined || isPositiveDuration(it.timeout),
      "`timeout` must be a duration such as '30s'",
    ],
  ];
}

/** What is wrong with a backoff, in words; `undefined` when nothing is. */
export function backoffProblem(backoff: Backoff): string | undefined {
  if (typeof backoff === 'function') return undefined;
  const { type, jitter = 0, delay = 0, max = 0 } = backoffOptions(backoff);
  if (type !== 'exponential' && type !== 'fixed')
    return '`backoff` must be exponential, fixed, options with such a `type`, or a function';
  if (!(jitter >= 0 && jitter <= 1)) return '`backoff.jitter` must be a number from 0 to 1';
  if (isDuration(delay) && isDuration(max)) return undefined;
  return "`backoff.delay` and `backoff.max` must be durations such as '1s'";
}

/** A backoff in its long form. */
export const backoffOptions = (backoff: 'exponential' | 'fixed' | BackoffOptions): BackoffOptions =>
  typeof backoff === 'object' && backoff !== null ? backoff : { type: backoff };

/** The priorities there are. */
export const PRIORITIES: readonly Priority[] = ['high', 'normal', 'low'];
/** The expected form of a priority. */
export const PRIORITY_FORM = 'high, normal or low';

/**
 * Defines a job. Nothing runs until a worker is started.
 *
 * ```ts
 * const sendEmail = defineJob({
 *   name: 'send-email',
 *   schema: z.object({ to: z.string().email(), template: z.string() }),
 *   handler: async ({ to, template }, ctx) => { … },
 *   options: { retries: 3, backoff: 'exponential' },
 * });
 * ```
 *
 * @throws {@link DefinitionError} `E_QUEUE_JOB` naming every problem; `E_QUEUE_DUPLICATE` for a name that is taken.
 */
export function defineJob<S extends Schema>(definition: JobDefinition<S>): Job<S> {
  const { name, schema, handler, options = {} } = definition;
  const problems = problemsOf(definition);
  if (problems.length > 0) throw new DefinitionError('job', name, problems);
  const { onDead } = options;
  const job: Job<S> = Object.freeze({
    name,
    schema,
    handler: handler.bind(definition),
    queue: options.queue ?? 'default',
    retries: options.retries ?? 3,
    backoff: options.backoff ?? 'exponential',
    timeout: options.timeout === undefined ? undefined : toMs(options.timeout),
    priority: options.priority ?? 'normal',
    unique: options.unique === undefined ? undefined : uniqueOptions(options.unique),
    concurrency: options.concurrency,
    rateLimit: options.rateLimit,
    maxPayloadBytes: options.maxPayloadBytes ?? 64 * 1024,
    version: options.version ?? 1,
    migrate: { ...options.migrate },
    redact: [...(options.redact ?? [])],
    ...(onDead ? { onDead: onDead.bind(options) } : {}),
  });
  register('job', job as unknown as Job, definition.replace);
  return job;
}

function problemsOf<S extends Schema>({ name, schema, handler, options = {} }: JobDefinition<S>): string[] {
  const { retries = 3, backoff = 'exponential', timeout, queue = 'default', priority = 'normal' } = options;
  const {
    concurrency,
    rateLimit,
    unique,
    maxPayloadBytes = 1,
    version = 1,
    migrate = {},
    redact = [],
  } = options;
  const wrongBackoff = backoffProblem(backoff);
  return broken([
    ...commonRules({ name, handler, retries, timeout }),
    [isSchema(schema), '`schema` must follow the Standard Schema interface, as zod, valibot and arktype do'],
    [wrongBackoff === undefined, wrongBackoff ?? ''],
    [isQueueName(queue), `\`queue\` must be ${QUEUE_FORM}`],
    [queue !== CRON_QUEUE, `\`queue\` must not be "${CRON_QUEUE}", which is kept for crons`],
    [PRIORITIES.includes(priority), `\`priority\` must be ${PRIORITY_FORM}`],
    [unique === undefined || isUnique(unique), `\`unique\` must be ${UNIQUE_FORM}`],
    [
      Number.isInteger(maxPayloadBytes) && maxPayloadBytes > 0,
      '`maxPayloadBytes` must be a whole number over 0',
    ],
    [concurrency === undefined || isLimit(concurrency), '`concurrency` must be { limit, key }'],
    [
      rateLimit === undefined || (isLimit(rateLimit) && isDuration(rateLimit.per) && toMs(rateLimit.per) > 0),
      '`rateLimit` must be { limit, per, key }',
    ],
    [Number.isInteger(version) && version > 0, '`version` must be a whole number over 0'],
    [
      Object.entries(migrate).every(
        ([from, step]) => Number(from) > 0 && Number(from) < version && typeof step === 'function',
      ),
      '`migrate` must hold functions by the version they lead from, each older than `version`',
    ],
    ...stepRules(version, migrate),
    [
      Array.isArray(redact) && redact.every((path) => typeof path === 'string' && path !== ''),
      '`redact` must be a list of fields of the payload',
    ],
  ]);
}

/** A step that is forgotten would hand payloads of an older form to the handler. The oldest ones may be gone for good. */
function stepRules(version: number, migrate: object): (readonly [boolean, string])[] {
  const given = Object.keys(migrate).map(Number);
  const first = Math.min(version - 1, ...given);
  const missing: number[] = [];
  // A version that is no small number is told of already.
  for (let from = Math.max(1, first); from < version && missing.length < 10; from += 1)
    if (!given.includes(from)) missing.push(from);
  return missing.map((from) => [
    false,
    `\`migrate\` must have a step ${from}, from version ${from} to ${from + 1}: \`(old) => old\` where the payload stays as it is`,
  ]);
}

const isLimit = <P>({ limit, key }: ConcurrencyOptions<P>): boolean =>
  Number.isInteger(limit) &&
  limit > 0 &&
  (key === undefined || typeof key === 'function' || (typeof key === 'string' && key !== ''));

/** The expected form of a {@link Unique}. */
export const UNIQUE_FORM = 'a text, a function, or { key, for, onConflict }';

/** True for a {@link Unique}. */
export function isUnique<P>(unique: Unique<P>): boolean {
  const { key, for: window, onConflict = 'skip' } = uniqueOptions(unique);
  return (
    (typeof key === 'function' || (typeof key === 'string' && key !== '')) &&
    (window === undefined || (isDuration(window) && toMs(window) > 0)) &&
    ['skip', 'replace', 'keep-last'].includes(onConflict)
  );
}

/** A {@link Unique} in its long form. */
export function uniqueOptions<P>(unique: Unique<P>): UniqueOptions<P> {
  return typeof unique === 'object' && unique !== null ? unique : { key: unique };
}
