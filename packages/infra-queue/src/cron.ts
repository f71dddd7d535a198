import { type Duration, toMs } from '@vibeonrails/infra-core';
import { type Backoff, backoffProblem } from './backoff.ts';
import { broken, commonRules } from './checks.ts';
import { DefinitionError } from './errors.ts';
import type { JobContext } from './job.ts';
import { register } from './registry.ts';
import { nextTick, timingProblems } from './schedule.ts';

/** What a cron's handler is told. */
export interface CronContext extends JobContext {
  /** The tick it runs for; it may start later. */
  readonly scheduledFor: Date;
}

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
  /** What happens to a tick while an earlier one waits or runs: `skip` drops it, `allow` runs both. @default 'skip' */
  overlap?: 'skip' | 'allow';
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
  readonly overlap: 'skip' | 'allow';
  readonly retries: number;
  readonly backoff: Backoff;
  /** Milliseconds. */
  readonly timeout: number | undefined;
  handler(ctx: CronContext): unknown;
  /** The first tick after a time. @default now */
  next(after?: Date): Date;
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
  const { retries = 0, backoff = 'exponential' } = definition;
  const timing = { pattern: schedule, timezone };
  const wrongBackoff = backoffProblem(backoff);
  const problems = [
    ...broken([
      ...commonRules({ name, handler, retries, timeout }),
      [overlap === 'skip' || overlap === 'allow', '`overlap` must be skip or allow'],
      [wrongBackoff === undefined, wrongBackoff ?? ''],
    ]),
    ...timingProblems(timing),
  ];
  if (problems.length > 0) throw new DefinitionError('cron', name, problems);
  const cron: Cron = Object.freeze({
    name,
    schedule,
    timezone,
    overlap,
    retries,
    backoff,
    timeout: timeout === undefined ? undefined : toMs(timeout),
    handler: handler.bind(definition),
    next: (after = new Date()) => new Date(nextTick(timing, after.getTime()) ?? Number.NaN),
  });
  return register('cron', cron, definition.replace);
}
