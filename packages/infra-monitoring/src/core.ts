import { type Clock, logger, systemClock } from '@vibeonrails/infra-core';

// One door to core for every file that loads with the root: Node resolves a package's name anew for each file that
// imports it, and that took half the time of the whole import.
export {
  bool,
  contextStorage,
  defineConfig,
  defineModule,
  extract,
  InfraError,
  inject,
  int,
  oneOf,
  onShutdown,
  secret,
  serviceName,
  slot,
  subscribeOperation,
  systemClock,
  text,
  toMs,
  url,
} from '@vibeonrails/infra-core';

/** The log of this package. */
export const log: typeof logger = logger.child({ module: 'monitoring' });

/** Where durations and timestamps come from. */
export interface Timer {
  /** Milliseconds that never run backwards; only differences mean anything. */
  elapsed(): number;
  /** Milliseconds since the Unix epoch for a value of {@link Timer.elapsed}, with its fractions. */
  epoch(elapsed: number): number;
}

/** How long an anchor serves: the wall clock may be set, and then timestamps must follow. */
const REANCHOR = 60_000;

/** A timer over `clock`: the machine's high-resolution one, or a test's. */
export function timerOn(clock: Clock): Timer {
  if (clock !== systemClock) return { elapsed: () => clock.now(), epoch: (elapsed) => elapsed };
  let anchoredAt = Number.NEGATIVE_INFINITY;
  let anchor = 0;
  return {
    elapsed: () => performance.now(),
    epoch(elapsed) {
      if (elapsed - anchoredAt > REANCHOR) {
        anchoredAt = elapsed;
        anchor = Date.now() - performance.now();
      }
      return anchor + elapsed;
    },
  };
}

/** Runs `fn` and calls `done` when what it returned has settled. */
export function settled<T>(fn: () => T, done: (error?: { readonly thrown: unknown }) => void): T {
  let result: T;
  try {
    result = fn();
  } catch (thrown) {
    done({ thrown });
    throw thrown;
  }
  if (!isThenable(result)) {
    done();
    return result;
  }
  return result.then(
    (value) => {
      done();
      return value;
    },
    (thrown: unknown) => {
      done({ thrown });
      throw thrown;
    },
  ) as T;
}

/** True for a promise, also of another kind than the built-in one. */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
