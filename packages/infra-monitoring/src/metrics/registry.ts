import type { Clock } from '@vibeonrails/infra-core';
import type { Families } from './families.ts';
import type { Labels } from './labels.ts';
import type { Metrics } from './recorder.ts';
import type { MetricsFormat } from './render.ts';
import type { Exemplar, SampledSeries } from './series.ts';

/** How a {@link Registry} is made. */
export interface RegistryOptions {
  /** Label sets a metric may have; all further ones share one series labelled `overflow="true"`. @default 1000 */
  maxSeries?: number;
  /** Metrics it may hold; samples of further names are dropped. @default 2000 */
  maxMetrics?: number;
  /** @default the machine's clock, in fractions of a millisecond */
  clock?: Clock;
}

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
  /** The smallest sample. */
  readonly min: number;
  /** The largest sample. */
  readonly max: number;
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

/** A set of metrics of its own. */
export interface Registry extends Metrics {
  /**
   * Runs `read` before each scrape and snapshot, to record what is only known by asking. A scrape waits two seconds at
   * most for what it returns, a snapshot does not wait. The returned function ends it.
   */
  collect(read: () => unknown): () => void;
  /** Calls `take` with each sample of a histogram as it is recorded; it must be quick. The returned function ends it. */
  onSample(take: (series: SampledSeries, value: number) => void): () => void;
  /** Counts something the application's monitoring lost, in `monitoring_dropped_total{reason}`. */
  drop: Families['drop'];
  /** Every metric as plain data. */
  snapshot(): MetricSnapshot[];
  /** The same in slices of a few milliseconds; the event loop runs in between. For a hundred thousand series. */
  snapshotInSlices(): Promise<MetricSnapshot[]>;
  /** The value of one series: a counter's or gauge's value, a histogram's number of samples. */
  value(name: string, labels?: Labels): number | undefined;
  /** The text a scraper reads. @default format 'prometheus' */
  render(options?: { format?: MetricsFormat }): Promise<string>;
  /** The same in pieces; the event loop runs in between. */
  chunks(format: MetricsFormat): AsyncGenerator<string, void, undefined>;
}
