import { type Duration, toMs } from '@vibeonrails/infra-core';
import { backoffOptions } from './definitions.ts';

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

/** Milliseconds to wait after `attempt` failed. */
export function backoffDelay(
  backoff: Backoff,
  attempt: number,
  error: Error,
  random: () => number = Math.random,
): number {
  if (typeof backoff === 'function') return toMs(backoff(attempt, error));
  const { type, ...rest } = backoffOptions(backoff);
  const first = toMs(rest.delay ?? '1s');
  const jitter = rest.jitter ?? (type === 'exponential' ? 0.5 : 0);
  const full = Math.min(type === 'exponential' ? first * 2 ** (attempt - 1) : first, toMs(rest.max ?? '10m'));
  return Math.round(full * (1 - jitter * random()));
}
