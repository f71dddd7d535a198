import type { Exemplar, Family, MetricType, Series } from './family.ts';

/** One label set of a counter or gauge. */
export interface ValueSnapshot {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One label set of a histogram. */
export interface HistogramSnapshot {
  readonly labels: Readonly<Record<string, string>>;
  readonly count: number;
  readonly sum: number;
  /** Samples up to and including each bound; the last bound is `Infinity`, and its count is `count`. */
  readonly buckets: readonly BucketSnapshot[];
}

/** One bucket of a histogram. */
export interface BucketSnapshot {
  readonly le: number;
  readonly count: number;
  /** A sample of this bucket alone that was taken inside a recorded span. */
  readonly exemplar?: Exemplar;
}

interface MetricHead {
  /** As printed: a counter's name ends in `_total`. */
  readonly name: string;
  readonly help?: string;
  readonly unit?: string;
}

/** A metric at one moment, as plain data. Values are cumulative since the start. */
export type MetricSnapshot =
  | (MetricHead & { readonly type: 'counter' | 'gauge'; readonly series: readonly ValueSnapshot[] })
  | (MetricHead & { readonly type: 'histogram'; readonly series: readonly HistogramSnapshot[] });

/** The name a metric's samples start with. */
export const printedName = (name: string, type: MetricType): string =>
  type === 'counter' ? `${name}_total` : name;

/** A family as plain data. */
export function snapshotOf(family: Family): MetricSnapshot {
  const head = {
    name: printedName(family.name, family.type),
    ...(family.help === undefined ? {} : { help: family.help }),
    ...(family.unit === undefined ? {} : { unit: family.unit }),
  };
  const all = [...family.series.values()];
  if (family.type === 'histogram')
    return { ...head, type: 'histogram', series: all.map((series) => histogramOf(family, series)) };
  return {
    ...head,
    type: family.type,
    series: all.map(({ labels, value }) => ({ labels, value })),
  };
}

function histogramOf(
  family: Family,
  { labels, count, value, buckets, exemplars }: Series,
): HistogramSnapshot {
  let sum = 0;
  return {
    labels,
    count,
    sum: value,
    buckets: buckets.map((inside, i) => {
      sum += inside;
      const le = family.bounds[i] ?? Number.POSITIVE_INFINITY;
      const kept = exemplars?.[i];
      if (kept === undefined) return { le, count: sum };
      const { reading: _, ...exemplar } = kept;
      return { le, count: sum, exemplar };
    }),
  };
}
