import type { Clock } from '../core.ts';
import { isInfraError } from '../core.ts';
import { DeliveryError } from '../delivery-errors.ts';

/** How long a transport may take. */
export interface DeliveryLimits {
  /** Milliseconds for one try. */
  readonly timeout: number;
  /** Milliseconds for all tries of one message, and the waits between them. */
  readonly deadline: number;
  readonly clock: Clock;
}

/** How a try ended. */
export type Outcome<T> =
  | { readonly value: T }
  | {
      readonly error: Error;
      /** True when another try, now, may help and can do no harm. */
      readonly again?: boolean;
      /** Milliseconds that the other side wants us to wait. */
      readonly after?: number | undefined;
    };

/** One try. */
export interface Attempt<T> {
  /** It ends soon after its signal aborts, or is left to itself. Never rejects. */
  run(signal: AbortSignal): Promise<Outcome<T>>;
  /** How the try ended that was not over in time. */
  late(): Outcome<T>;
}

const FIRST_WAIT = 250;
const LONGEST_WAIT = 5_000;

/**
 * Tries until it works, until trying is of no use, or until the deadline. Rejects with the last try's error, or with
 * `E_EMAIL_UNKNOWN_OUTCOME` when an earlier try may have worked; with the signal's reason when it is aborted.
 */
export async function inAttempts<T>(
  next: () => Attempt<T>,
  limits: DeliveryLimits,
  signal: AbortSignal,
): Promise<T> {
  const { clock, timeout } = limits;
  const end = clock.now() + limits.deadline;
  let unknown = false;
  // The clock's timers let a process end; one that waits to send again must not.
  const stay = setInterval(() => undefined, 2 ** 30);
  try {
    for (let tries = 1; ; tries += 1) {
      const outcome = await attemptOnce(next(), Math.min(timeout, end - clock.now()), clock, signal);
      if ('value' in outcome) return outcome.value;
      const { error, again = false } = outcome;
      const wait = Math.max(outcome.after ?? 0, backoff(tries));
      if (!again || clock.now() + wait >= end) throw unknown ? asUnknown(error) : error;
      unknown ||= isInfraError(error, 'E_EMAIL_UNKNOWN_OUTCOME');
      await sleep(wait, clock, signal);
    }
  } finally {
    clearInterval(stay);
  }
}

/** One try, over after `timeout` at the latest. @throws the signal's reason */
export async function attemptOnce<T>(
  attempt: Attempt<T>,
  timeout: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Outcome<T>> {
  signal.throwIfAborted();
  const controller = new AbortController();
  let cancel = (): void => undefined;
  let abort = (): void => undefined;
  const ended = new Promise<Outcome<T>>((resolve, reject) => {
    cancel = clock.after(timeout, () => {
      resolve(attempt.late());
      controller.abort();
    });
    abort = () => {
      reject(signal.reason);
      controller.abort();
    };
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([attempt.run(controller.signal), ended]);
  } finally {
    cancel();
    signal.removeEventListener('abort', abort);
  }
}

/** Doubles from try to try; half of it is chance, so that many processes do not come back at once. */
function backoff(tries: number): number {
  const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1));
  return longest / 2 + (Math.random() * longest) / 2;
}

function sleep(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      cancel();
      reject(signal.reason);
    };
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
}

/** A later refusal does not undo what an earlier try may have done. */
function asUnknown(error: Error): Error {
  if (!isInfraError(error) || !error.retryable || error.code === 'E_EMAIL_UNKNOWN_OUTCOME') return error;
  const problem =
    'An earlier try may have been taken over, and the last one failed, so nobody knows what became of the e-mail.';
  const { retryAfter } = error as DeliveryError;
  return new DeliveryError('E_EMAIL_UNKNOWN_OUTCOME', problem, { retryAfter, cause: error });
}
