import type { ServiceKind } from '@vibeonrails/services';

/** What one run is given. */
export interface ChaosContext {
  readonly seed: number;
  /** Numbers that follow from the seed, so that a run can be had again. */
  readonly random: Random;
}

/** What should have come out and what did, as JSON: the run is met when they are equal. */
export interface Outcome {
  readonly expected: unknown;
  readonly seen: unknown;
}

/** One thing that must hold whatever goes wrong. */
export interface ChaosCase {
  /** What happens, in a few words that tell it from every other case. */
  readonly case: string;
  /** How often it runs unless told otherwise, each time on another seed. */
  readonly runs: number;
  /** Servers to start first. The case finds them in its variables (`REDIS_URL`, `S3_ENDPOINT`, …). */
  readonly services?: readonly ServiceKind[];
  /** Runs once, in a process of its own. It loads what it tests itself: the runner reads the file as well. */
  run(context: ChaosContext): Promise<Outcome>;
}

/** Declares a case. A file in `modules/<module>/` exports one or more. */
export const chaos = (declared: ChaosCase): ChaosCase => declared;

/** A repeatable source of chance. */
export interface Random {
  /** A whole number from 0 up to, but not including, `below`. */
  below(below: number): number;
  /** One of some values. */
  pick<T>(values: readonly T[]): T;
}

/** The chance that follows from a seed (mulberry32, which is small and good enough for choosing faults). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return { below, pick: (values) => values[below(values.length)]! };
}
