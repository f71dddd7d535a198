import type { ServiceKind } from '@vibeonrails/services';

/**
 * Does the work once and returns one figure in the benchmark's unit. It runs in a process of its own, once a round,
 * and loads what it measures itself: the file that declares it is read by the runner as well.
 */
export type Candidate = () => number | Promise<number>;

/** What our figure should be beside a peer's. */
export interface Target {
  /** The peer it is compared with. */
  readonly baseline: string;
  /** Ours ÷ the peer's is to be this or more: for figures of which more is better. */
  readonly atLeast?: number;
  /** Ours ÷ the peer's is to be this or less: for figures of which less is better. */
  readonly atMost?: number;
}

/** One case, the same work done by us and by others. */
export interface Benchmark {
  /** What is done, in a few words that tell it from every other case. */
  readonly case: string;
  /** What a figure counts, such as `lines/CPU s`. */
  readonly unit: string;
  readonly ours: Candidate;
  readonly peers: Readonly<Record<string, Candidate>>;
  /** One row of the report each; without any there is one row of figures alone. */
  readonly targets?: readonly Target[];
  /** Servers to start first. Candidates find them in their variables (`REDIS_URL`, `S3_ENDPOINT`, …). */
  readonly services?: readonly ServiceKind[];
  /** Packages of `peers/` that the candidates load. */
  readonly packages?: readonly string[];
}

/** Declares a benchmark. A file in `modules/<module>/` exports one or more. */
export const benchmark = (declared: Benchmark): Benchmark => declared;
