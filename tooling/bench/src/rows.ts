import type { Benchmark, Target } from './benchmark.ts';

/** The figures of one candidate, one a round; fewer where it failed. */
export type Rounds = readonly number[];

/** One line of a report. Figures are medians; `null` where there are none. */
export interface Row {
  readonly case: string;
  readonly unit: string;
  readonly ours: number | null;
  readonly peers: Readonly<Record<string, number | null>>;
  /** The peer that ours is compared with; `null` in a row of figures alone. */
  readonly baseline: string | null;
  /** The median, over the rounds, of ours ÷ the baseline's: what slows a round down slows both of them. */
  readonly ratio: number | null;
  /** What the ratio should be: `>= 0.95` or `<= 0.25`. */
  readonly target: string | null;
  readonly met: boolean | null;
  /** Half the distance between the first and third quartile over the median, by candidate: 0.05 is ± 5 %. */
  readonly spread: Readonly<Record<string, number | null>>;
  readonly rounds: number;
}

/** The middle of some figures; `null` of none. */
export function median(figures: Rounds): number | null {
  return quantile(figures, 0.5);
}

/** Half the interquartile range over the median: what a figure may be off by chance. */
export function spread(figures: Rounds): number | null {
  const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(figures, share));
  return low == null || high == null || !middle ? null : (high - low) / 2 / middle;
}

function quantile(figures: Rounds, share: number): number | null {
  const sorted = [...figures].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)];
  const high = sorted[Math.ceil(at)];
  return low === undefined || high === undefined ? null : low + (high - low) * (at % 1);
}

/** The rows of a benchmark: one a target, or one without. `figures` holds each candidate's rounds, ours under `ours`. */
export function rowsOf(declared: Benchmark, figures: ReadonlyMap<string, Rounds>, rounds: number): Row[] {
  const stray = declared.targets?.find(({ baseline }) => !(baseline in declared.peers));
  if (stray)
    throw new Error(`"${declared.case}" has a target beside "${stray.baseline}", which is no peer of it.`);
  const of = (name: string): Rounds => figures.get(name) ?? [];
  const names = Object.keys(declared.peers);
  const ours = median(of('ours'));
  const peers = Object.fromEntries(names.map((name) => [name, median(of(name))]));
  const shown = Object.fromEntries(['ours', ...names].map((name) => [name, spread(of(name))]));
  const targets: readonly (Target | undefined)[] = declared.targets?.length ? declared.targets : [undefined];
  return targets.map((target) => ({
    case: declared.case,
    unit: declared.unit,
    ours,
    peers,
    ...compare(figures, target),
    spread: shown,
    rounds,
  }));
}

function compare(
  figures: ReadonlyMap<string, Rounds>,
  target: Target | undefined,
): Pick<Row, 'baseline' | 'ratio' | 'target' | 'met'> {
  if (!target) return { baseline: null, ratio: null, target: null, met: null };
  const { baseline, atLeast, atMost } = target;
  const ratio = ratioOf(figures.get('ours') ?? [], figures.get(baseline) ?? []);
  const words = [atLeast && `>= ${atLeast}`, atMost && `<= ${atMost}`].filter(Boolean).join(' and ');
  const met = ratio !== null && ratio >= (atLeast ?? 0) && ratio <= (atMost ?? Number.POSITIVE_INFINITY);
  return { baseline, ratio, target: words, met };
}

/** The median of the rounds' ratios; `null` unless both have every round. */
export function ratioOf(ours: Rounds, theirs: Rounds): number | null {
  if (ours.length !== theirs.length) return null;
  return median(ours.flatMap((figure, round) => (theirs[round] ? figure / theirs[round] : [])));
}
