import type { Backoff } from './backoff.ts';
import { type Duration, toMs } from './core.ts';
import { backoffProblem, broken, commonRules, isDuration, register } from './definitions.ts';
import { DefinitionError } from './errors.ts';
import type { JobContext } from './job.ts';

/** What a cron's handler is told. */
export interface CronContext extends JobContext {
  /** The tick it runs for; it may start later. */
  readonly scheduledFor: Date;
}

/** What happens to a tick while an earlier one waits or runs. See {@link CronDefinition.overlap}. */
export type Overlap = 'skip' | 'queue' | 'allow';

/** What happens to ticks that passed while no worker ran. See {@link CronDefinition.catchUp}. */
export type CatchUp = 'none' | 'latest' | { readonly all: true; readonly max?: number };

/** A cron as it is defined. */
export interface CronDefinition {
  name: string;
  /** A cron expression of five fields, or six with seconds first, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. */
  schedule: string;
  /** Does the work. */
  handler(ctx: CronContext): unknown;
  /** The IANA time zone the schedule is read in. @default 'UTC' */
  timezone?: string;
  /** Time for one attempt, after which `ctx.signal` aborts. @default none */
  timeout?: Duration;
  /**
   * What happens to a tick while an earlier one waits or runs: `skip` drops it, `queue` runs it afterwards, `allow` runs
   * both. @default 'skip'
   */
  overlap?: Overlap;
  /**
   * What happens to ticks that passed while no worker ran: `none` drops them, `latest` makes one run for the last of them,
   * `{ all: true, max }` one for each, up to the latest `max` (100). A tick less than 30 seconds late is on time.
   * @default 'latest'
   */
  catchUp?: CatchUp;
  /** Start each run up to this much later than its tick, so that not everything starts at midnight sharp. @default 0 */
  jitter?: Duration;
  /** How often a failed run is tried again; the next tick comes anyway. @default 0 */
  retries?: number;
  /** The wait between those. @default 'exponential' */
  backoff?: Backoff;
  /** Take the place of a cron of the same name, for code that is loaded again. @default false */
  replace?: boolean;
}

/** A defined cron, with every default filled in. */
export interface Cron {
  readonly name: string;
  readonly schedule: string;
  readonly timezone: string;
  readonly overlap: Overlap;
  /** How many ticks that passed are made up for. */
  readonly catchUp: number;
  /** Milliseconds. */
  readonly jitter: number;
  readonly retries: number;
  readonly backoff: Backoff;
  /** Milliseconds. */
  readonly timeout: number | undefined;
  handler(ctx: CronContext): unknown;
}

/**
 * Defines work that runs on a schedule, from the moment a worker is started. However many workers run, a tick runs once.
 *
 * A wall-clock time that the change to summer time leaves out runs once, right after the gap; one that comes twice in
 * autumn runs once, the first time.
 *
 * ```ts
 * defineCron({ name: 'cleanup-sessions', schedule: '0 0 * * *', handler: async () => { … } });
 * ```
 *
 * @throws {@link DefinitionError} `E_QUEUE_CRON` naming every problem; `E_QUEUE_DUPLICATE` for a name that is taken.
 */
export function defineCron(definition: CronDefinition): Cron {
  const { name, schedule, handler, timezone = 'UTC', overlap = 'skip', timeout } = definition;
  const { retries = 0, backoff = 'exponential', catchUp = 'latest', jitter = 0 } = definition;
  const made = missedTicks(catchUp);
  const wrongBackoff = backoffProblem(backoff);
  const wrongPattern = patternProblem(schedule);
  const problems = broken([
    ...commonRules({ name, handler, retries, timeout }),
    [['skip', 'queue', 'allow'].includes(overlap), '`overlap` must be skip, queue or allow'],
    [made !== undefined, '`catchUp` must be none, latest, or { all: true, max } with a max from 1 to 1000'],
    [
      made === undefined || made <= 1 || overlap !== 'skip',
      '`catchUp` with `all` must go with an `overlap` of queue or allow: skip would drop all but one',
    ],
    [isDuration(jitter), "`jitter` must be a duration such as '30s'"],
    [wrongBackoff === undefined, wrongBackoff ?? ''],
    [wrongPattern === undefined, wrongPattern ?? ''],
    [isTimezone(timezone), `\`timezone\` ${shown(timezone)} must be an IANA time zone such as Europe/Paris`],
  ]);
  if (problems.length > 0) throw new DefinitionError('cron', name, problems);
  const cron: Cron = Object.freeze({
    name,
    schedule,
    timezone,
    overlap,
    catchUp: made ?? 1,
    jitter: toMs(jitter),
    retries,
    backoff,
    timeout: timeout === undefined ? undefined : toMs(timeout),
    handler: handler.bind(definition),
  });
  return register('cron', cron, definition.replace);
}

/** How many ticks a {@link CatchUp} makes up for; `undefined` for what is none. */
function missedTicks(catchUp: CatchUp): number | undefined {
  if (catchUp === 'none') return 0;
  if (catchUp === 'latest') return 1;
  const { all, max = 100 } = catchUp ?? {};
  return all === true && Number.isInteger(max) && max >= 1 && max <= 1000 ? max : undefined;
}

const shown = (value: unknown): string => JSON.stringify(value) ?? String(value);

const WORD = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/i;
const MONTHS = ['', 'JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const FIELDS: readonly [field: string, low: number, high: number, names?: readonly string[]][] = [
  ['second', 0, 59],
  ['minute', 0, 59],
  ['hour', 0, 23],
  ['day of the month', 1, 31],
  ['month', 1, 12, MONTHS],
  ['weekday', 0, 7, WEEKDAYS],
];

/**
 * What is wrong with a cron expression; `undefined` when it looks like one. What is left, such as a 31st of February,
 * is found when the worker starts: the parser loads no sooner.
 */
function patternProblem(pattern: unknown): string | undefined {
  const fields = typeof pattern === 'string' ? pattern.trim().split(/\s+/) : [];
  if (fields.length === 1 && WORD.test(fields[0] ?? '')) return undefined;
  if (fields.length !== 5 && fields.length !== 6)
    return `\`schedule\` ${shown(pattern)} must be a cron expression of five fields, or six with seconds first, or a word such as @daily`;
  const rules = FIELDS.slice(-fields.length);
  const wrong = rules.flatMap((rule, i) =>
    (fields[i] ?? '')
      .split(',')
      .filter((part) => !isPart(part, rule))
      .map((part) => `"${part}" for the ${rule[0]}`),
  );
  return wrong.length === 0
    ? undefined
    : `\`schedule\` ${shown(pattern)} must be a cron expression, which has no ${wrong.join(', no ')}`;
}

function isPart(part: string, [, low, high, names = []]: (typeof FIELDS)[number]): boolean {
  const [, range = '', step = '1'] = /^([^/]+)(?:\/(\d+))?$/.exec(part) ?? [];
  if (Number(step) === 0) return false;
  if (range === '*') return true;
  const numbers = range.split('-').map((end) => {
    const named = names.indexOf(end.toUpperCase());
    return named >= 0 ? named : /^\d+$/.test(end) ? Number(end) : Number.NaN;
  });
  const [first = Number.NaN, last = first] = numbers;
  if (numbers.length <= 2 && first >= low && last <= high && first <= last) return true;
  // The last day, the nearest weekday, the nth one: the parser's own.
  return /^([0-9A-Z]*[#+?][0-9A-Z]*|L|LW|\d+[LW]|[A-Z]{3}L)$/i.test(range);
}

function isTimezone(timezone: unknown): boolean {
  try {
    return typeof timezone === 'string' && !!new Intl.DateTimeFormat('en', { timeZone: timezone });
  } catch {
    return false;
  }
}
