import type { TraceContext } from '@vibeonrails/infra-core';
import { contextStorage, settled, type Timer } from '../core.ts';
import type { Families } from './families.ts';
import { describe, type MetricDescription, unitOf } from './families.ts';
import type { Labels } from './labels.ts';
import type { Series } from './series.ts';

/** The span a sample was measured in, as far as an exemplar needs it: a span or a trace context. */
export type MeasuredSpan = Pick<TraceContext, 'traceId' | 'spanId' | 'sampled'>;

/** The calls that record. None of them ever throws: what they cannot take is dropped and counted in `monitoring_dropped_total`. */
export interface Metrics {
  /** Adds `by`, which is 0 or more, to a counter; to a gauge where the name is one. @default by 1 */
  increment(name: string, by?: number, labels?: Labels): void;
  /** Takes `by` from a gauge. A counter cannot go down. @default by 1 */
  decrement(name: string, by?: number, labels?: Labels): void;
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: Labels): void;
  /**
   * Records one sample of a histogram.
   *
   * @param span where it was measured, for an exemplar in OpenMetrics. By default the span of the current context.
   */
  observe(name: string, value: number, labels?: Labels, span?: MeasuredSpan): void;
  /**
   * Starts measuring. The returned function records the time since, once, under the labels given here and there, and
   * returns it: in seconds where the name ends in `_seconds`, else in milliseconds.
   */
  startTimer(name: string, labels?: Labels): (labels?: Labels) => number;
  /** Runs `fn` and records how long it took, also when it fails. */
  time<T>(name: string, fn: () => T, labels?: Labels): T;
  /**
   * Says what a metric is: its help text, its buckets. Before the first sample; repeating it does no harm.
   *
   * @throws {@link MetricDescriptionError} `E_MONITORING_DESCRIBE` for a name, type or buckets that cannot be.
   */
  describe(name: string, description: MetricDescription): void;
}

const TRACE_ID = /^[0-9a-f]{32}$/;
const SPAN_ID = /^[0-9a-f]{16}$/;

/** The recording calls over a registry's families. */
export function recorder(all: Families, timer: Timer): Metrics {
  const usable = (value: unknown): value is number => {
    if (typeof value === 'number' && value - value === 0) return true;
    all.drop('not_finite');
    return false;
  };

  const contexts = contextStorage();
  /** One a bucket between two readings is as many as a reader can use. */
  const keepExemplar = (series: Series, bucket: number, value: number, trace: MeasuredSpan): void => {
    const { traceId, spanId } = trace;
    if (!TRACE_ID.test(traceId) || !SPAN_ID.test(spanId)) return;
    const time = timer.epoch(timer.elapsed());
    series.exemplars ??= [];
    series.exemplars[bucket] = { traceId, spanId, value, time, reading: all.readings };
  };

  const metrics: Metrics = {
    increment(name, by = 1, labels) {
      try {
        const family = all.of(name, 'counter');
        if (family === undefined || !usable(by)) return;
        if (family.type === 'histogram') all.conflict(name, 'counter', family);
        else if (by < 0 && family.type === 'counter') all.drop('negative');
        else family.find(labels).value += by;
      } catch {
        all.drop('threw');
      }
    },
    decrement(name, by = 1, labels) {
      try {
        const family = all.of(name, 'gauge');
        if (family === undefined || !usable(by)) return;
        if (family.type === 'gauge') family.find(labels).value -= by;
        else all.conflict(name, 'gauge', family);
      } catch {
        all.drop('threw');
      }
    },
    gauge(name, value, labels) {
      try {
        const family = all.of(name, 'gauge');
        if (family === undefined || !usable(value)) return;
        if (family.type === 'gauge') family.find(labels).value = value;
        else all.conflict(name, 'gauge', family);
      } catch {
        all.drop('threw');
      }
    },
    observe(name, value, labels, span) {
      try {
        const family = all.of(name, 'histogram');
        if (family === undefined || !usable(value)) return;
        if (family.type !== 'histogram') {
          all.conflict(name, 'histogram', family);
          return;
        }
        const series = family.find(labels);
        const bucket = record(family.bounds, series, value);
        if (series.exemplars?.[bucket]?.reading !== all.readings) {
          const trace = span ?? contexts.getStore()?.trace;
          if (trace?.sampled) keepExemplar(series, bucket, value, trace);
        }
        if (all.onSample !== undefined) all.onSample(series, value);
      } catch {
        all.drop('threw');
      }
    },
    startTimer(name, labels) {
      const startedAt = timer.elapsed();
      let result: number | undefined;
      return (more) => {
        if (result !== undefined) return result;
        const ms = timer.elapsed() - startedAt;
        result = unitOf(name) === 'seconds' ? ms / 1000 : ms;
        metrics.observe(name, result, more ? merge(labels, more) : labels);
        return result;
      };
    },
    time(name, fn, labels) {
      const stop = metrics.startTimer(name, labels);
      return settled(fn, () => void stop());
    },
    describe: (name, description) => describe(all, name, description),
  };
  return metrics;
}

/** Getters that throw must not reach the caller; the sample then goes without labels. */
function merge(first: Labels | undefined, second: Labels): Labels | undefined {
  try {
    return { ...first, ...second };
  } catch {
    return first;
  }
}

/** Returns the bucket it counted in. */
function record(bounds: readonly number[], series: Series, value: number): number {
  let at = 0;
  while (at < bounds.length && value > (bounds[at] as number)) at += 1;
  series.buckets[at] = (series.buckets[at] as number) + 1;
  series.value += value;
  series.count += 1;
  if (value < series.min) series.min = value;
  if (value > series.max) series.max = value;
  return at;
}
