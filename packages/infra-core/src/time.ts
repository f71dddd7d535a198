import { InfraError, messageOf } from './errors.ts';

/** A length of time: a number of milliseconds, or a number with a unit: `'500ms'`, `'30s'`, `'5m'`, `'2h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const FORM = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** Something that is not a {@link Duration} was given as one. */
export class InvalidDurationError extends InfraError {
  constructor(value: unknown) {
    const seen = typeof value === 'string' ? JSON.stringify(value) : messageOf(value);
    super(`${seen} is not a duration.`, {
      code: 'E_DURATION',
      help: "Use milliseconds as a number of 0 or more, or a text such as '500ms', '30s', '5m', '2h' or '7d'.",
    });
  }
}

/**
 * The milliseconds of a {@link Duration}.
 *
 * @throws {@link InvalidDurationError} `E_DURATION` for a negative or non-finite number, or a text of another form.
 */
export function toMs(duration: Duration): number {
  const ms = typeof duration === 'string' ? parse(duration) : duration;
  if (typeof ms !== 'number' || !Number.isFinite(ms) || ms < 0) throw new InvalidDurationError(duration);
  return ms;
}

function parse(text: string): number {
  const [, amount, unit] = FORM.exec(text) ?? [];
  return amount && unit ? Number(amount) * UNITS[unit]! : Number.NaN;
}

/** Where a module takes the time and its timers from, so that a test can hold them. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `fn` once after `ms`; the returned function cancels it. The timer never keeps the process alive. */
  after(ms: number, fn: () => void): () => void;
}

/** The longest wait one Node timer can hold; a longer one would fire at once. */
const LONGEST = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    let timer: NodeJS.Timeout;
    const wait = (left: number): void => {
      timer = setTimeout(() => (left > LONGEST ? wait(left - LONGEST) : fn()), Math.min(left, LONGEST));
      timer.unref();
    };
    wait(ms);
    return () => clearTimeout(timer);
  },
};

/** A timer this many milliseconds late means that something kept the process busy. */
const LATE = 50;

/**
 * Calls `fn` when the time for an answer is up; the returned function cancels it. Where something kept the process busy, so
 * that the timer comes late, the time lost is given back, once: the answer may be there and has only to be read.
 */
export function atDeadline(clock: Clock, ms: number, fn: () => void): () => void {
  const at = clock.now() + ms;
  let cancel = clock.after(ms, () => {
    const lost = clock.now() - at;
    if (lost > LATE) cancel = clock.after(Math.min(lost, ms), fn);
    else fn();
  });
  return () => cancel();
}
