/** The kinds of metric: a sum that only grows, a value, a distribution. */
export type MetricType = 'counter' | 'gauge' | 'histogram';

/** A series that samples belong to. */
export interface SampledSeries {
  /** The name of its metric. */
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A sample of a histogram that was taken inside a recorded span, so that a chart leads to a trace. */
export interface Exemplar {
  readonly traceId: string;
  readonly spanId: string;
  readonly value: number;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
}

/** An {@link Exemplar}, and the reading of the registry before which it was taken. */
interface KeptExemplar extends Exemplar {
  readonly reading: number;
}

/** One label set of a metric, and what was recorded under it. */
export interface Series extends SampledSeries {
  /** The label set as it is printed. */
  readonly text: string;
  /** A counter's or gauge's value; a histogram's sum. */
  value: number;
  /** A histogram's samples. */
  count: number;
  /** A histogram's smallest and largest sample. */
  min: number;
  max: number;
  /** A histogram's samples by bucket, each counted once; the last is over every bound. */
  readonly buckets: number[];
  /** By bucket; absent until a sample comes from within a span. */
  exemplars: (KeptExemplar | undefined)[] | undefined;
}
