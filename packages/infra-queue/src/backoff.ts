import { type Duration, toMs } from '@vibeonrails/infra-core';

/** The wait between attempts, spelled out. */
export interface BackoffOptions {
  /** `exponential` doubles the wait after each attempt, `fixed` keeps it. */
  type: 'exponential' | 'fixed';
  /** The first wait. @default '1s' */
  delay?: Duration;
  /** The longest wait. @default '10m' */
  max?: Duration;
  /** The part of the wait that is left to chance, 0 to 1, so that many failures do not come back at once. @default 0.5 for exponential, 0 for fixed */
  jitter?: number;
}

/** How long to wait after a failed attempt: a word, {@link BackoffOptions}, or a function of the attempt (1 for the first) and its error. */
export type Backoff =
  | 'exponential'
  | 'fixed'
  | BackoffOptions
  | ((attempt: number, error: Error) => Duration);

/** What is wrong with a backoff, in words; `undefined` when nothing is. */
export function backoffProblem(backoff: Backoff): string | undefined {
  if (typeof backoff === 'function') return undefined;
  const { type, jitter = 0, delay = 0, max = 0 } = optionsOf(backoff);
  if (type !== 'exponential' && type !== 'fixed')
    return '`backoff` must be exponential, fixed, options with such a `type`, or a function';
  if (!(jitter >= 0 && jitter <= 1)) return '`backoff.jitter` must be a number from 0 to 1';
  try {
    toMs(delay);
    toMs(max);
    return undefined;
  } catch {
    return "`backoff.delay` and `backoff.max` must be durations such as '1s'";
  }
}

/** Milliseconds to wait after `attempt` failed. */
export function backoffDelay(
  backoff: Backoff,
  attempt: number,
  error: Error,
  random: () => number = Math.random,
): number {
  if (typeof backoff === 'function') return toMs(backoff(attempt, error));
  const { type, ...rest } = optionsOf(backoff);
  const first = toMs(rest.delay ?? '1s');
  const jitter = rest.jitter ?? (type === 'exponential' ? 0.5 : 0);
  const full = Math.min(type === 'exponential' ? first * 2 ** (attempt - 1) : first, toMs(rest.max ?? '10m'));
  return Math.round(full * (1 - jitter * random()));
}

const optionsOf = (backoff: 'exponential' | 'fixed' | BackoffOptions): BackoffOptions =>
  typeof backoff === 'object' && backoff !== null ? backoff : { type: backoff };
