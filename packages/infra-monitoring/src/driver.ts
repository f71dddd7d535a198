import type { Clock } from '@vibeonrails/infra-core';
import type { DropReason } from './metrics/families.ts';
import type { MetricSnapshot } from './metrics/registry.ts';
import type { SampledSeries } from './metrics/series.ts';
import type { FinishedSpan } from './tracing/span.ts';

/** What a monitoring lends the exporters that are added to it. */
export interface ExporterHost {
  readonly clock: Clock;
  /** Counts what could not be delivered, in `monitoring_dropped_total{reason}`. @default count 1 */
  drop(reason: DropReason, count?: number): void;
}

/**
 * Where metrics and spans go besides this process: a collector, a StatsD daemon. The calls that hand something over
 * run inside the application's own work, so they only take it and return; sending happens later. What an exporter
 * throws is counted and never reaches the application. `monitoringExporterSuite()` in `./testing` proves one.
 */
export interface MonitoringExporter {
  /** Its name in logs and errors. */
  readonly name: string;
  /** Resolves when it can take what it is given; rejects when it never will. Idempotent. */
  ready(): Promise<void>;
  /** Called once, when it is added and before everything else. Absent where it needs nothing of its monitoring. */
  attach?(host: ExporterHost): void;
  /** Takes a span that is over. Absent where it has no use for spans. */
  exportSpan?(span: FinishedSpan): void;
  /**
   * Takes every metric, with values since the start of the process: one that sends changes subtracts what it saw
   * last. Called at the push interval and before the last flush. Absent where it has no use for metrics.
   */
  exportMetrics?(metrics: readonly MetricSnapshot[]): void;
  /**
   * Takes one sample of a histogram when it is recorded, for a receiver that makes its own percentiles. A series is
   * the same object every time. Absent where the buckets in {@link MonitoringExporter.exportMetrics} are enough.
   */
  exportSample?(series: SampledSeries, value: number): void;
  /** Sends what it has taken and not sent. Resolves when that is done or given up. */
  flush(): Promise<void>;
  /** Sends nothing any more and releases connections, timers and memory. Idempotent; whoever closes it flushes it before. */
  close(): Promise<void>;
}
