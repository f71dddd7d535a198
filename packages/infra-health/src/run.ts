import type { Clock, HealthCheck, HealthResult } from './core.ts';
import { cleanResult, failure, thrownText } from './report.ts';

/** Shared by the checks of one registry: when a check was last seen to keep the process from doing anything else. */
export interface Stalls {
  lastAt: number;
}

/** What one run came to. */
export interface Outcome {
  readonly result: HealthResult;
  /** What the check threw, for the log alone. */
  readonly thrown?: unknown;
}

/** A check that runs. */
export interface Run {
  /** Resolves with the answer, or when the time is up. Never rejects. */
  readonly outcome: Promise<Outcome>;
  /** Resolves when the check itself has come back, however late. Never rejects. */
  readonly settled: Promise<void>;
  /** Ends the wait, and tells the check. */
  stop(): void;
}

/** A timer this many milliseconds late means that the process was kept busy, not that a check is slow. */
const SLACK = 50;

/**
 * Runs a check once, for `timeout` milliseconds at most. A check that kept the whole process busy for longer than
 * that is failed even with a good answer; the others that ran meanwhile get the lost time back.
 */
export function runCheck(check: HealthCheck, timeout: number, clock: Clock, stalls: Stalls): Run {
  const startedAt = clock.now();
  const controller = new AbortController();
  const { promise: outcome, resolve } = deferred<Outcome>();
  const deadline = startDeadline(timeout, clock, () => giveUp(`did not answer within ${timeout} ms`));
  let answered = false;
  const answer = (made: Outcome): void => {
    answered = true;
    deadline.cancel();
    resolve(made);
  };
  const giveUp = (message: string): void => {
    if (answered) return;
    answer({ result: failure(message) });
    controller.abort(new Error(message));
  };
  /** True when the time was up before the timer could say so, and no other check is to blame for it. */
  const stalled = (): boolean => {
    if (answered || deadline.lateBy() <= SLACK || stalls.lastAt >= startedAt) return false;
    stalls.lastAt = clock.now();
    giveUp(`kept the process busy for ${stalls.lastAt - startedAt} ms, its timeout is ${timeout} ms`);
    return true;
  };

  const work = (async () => check({ signal: controller.signal }))();
  const settled = work.then(
    (result) => void (stalled() || answer({ result: cleanResult(result) })),
    (thrown) => void (stalled() || answer({ result: failure(thrownText(thrown)), thrown: thrown ?? null })),
  );
  // Also where it is not back yet: what it did before its first await is known already.
  stalled();
  return { outcome, settled, stop: () => giveUp('was stopped') };
}

interface Deadline {
  /** Milliseconds since the time was up; negative before. */
  lateBy(): number;
  cancel(): void;
}

/** Calls `onUp` after `timeout`. Where the timer itself comes late, the time lost is given back, once. */
function startDeadline(timeout: number, clock: Clock, onUp: () => void): Deadline {
  let at = clock.now() + timeout;
  const lateBy = (): number => clock.now() - at;
  let cancel = clock.after(timeout, () => {
    const lost = Math.min(lateBy(), timeout);
    if (lost <= SLACK) return onUp();
    at = clock.now() + lost;
    cancel = clock.after(lost, onUp);
  });
  return { lateBy, cancel: () => cancel() };
}

/** A promise, and what resolves it. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

/** Makes a {@link Deferred}. */
export function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
