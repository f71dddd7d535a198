import type { Clock, Duration, Env, ModuleInstance } from '@vibeonrails/infra-core';
import type { MonitoringExporter } from './driver.ts';
import type { SpanNode } from './exporters.ts';
import type { HttpTracing } from './instrument/http.ts';
import type { InstrumentOptions } from './instrument/instrument.ts';
import type { Metrics } from './metrics/recorder.ts';
import type { Registry } from './metrics/registry.ts';
import type { ProcessMetricsOptions } from './process-metrics.ts';
import type { FormatTraceOptions } from './tracing/format.ts';
import type { FinishedSpan } from './tracing/span.ts';
import type { SamplerOption, Tracer } from './tracing/tracer.ts';

/** How a monitoring is made. */
export interface MonitoringOptions {
  /** Which traces are recorded: a sampler by name, or a ratio from 0 to 1. @default OTEL_TRACES_SAMPLER, else every trace its caller did not leave out */
  sampler?: SamplerOption;
  /** Records traces that the sampler leaves out as well, and keeps those in which a span fails. @default false */
  keepErrors?: boolean;
  /** False makes no spans and no ids: metrics alone, and nothing follows the work through its promises. @default true, unless OTEL_SDK_DISABLED is */
  tracing?: boolean;
  /** Finished spans kept in this process, for `recentSpans()`. @default 1000 */
  keepSpans?: number;
  /** Spans that may be open at once; the oldest is ended when there are more. @default 10_000 */
  maxOpenSpans?: number;
  /** How long a span may be open before it is ended as abandoned. @default '10m' */
  maxSpanAge?: Duration;
  /** Label sets a metric may have. @default 1000 */
  maxSeries?: number;
  /** Metrics it may hold. @default 2000 */
  maxMetrics?: number;
  /** Where spans and metrics go besides this process. @default STATSD_URL or DD_AGENT_HOST, OTEL_EXPORTER_OTLP_ENDPOINT, and OTEL_TRACES_EXPORTER=console, where they are set */
  exporters?: readonly MonitoringExporter[];
  /** How often exporters get the metrics. @default OTEL_METRIC_EXPORT_INTERVAL, else '10s' */
  pushInterval?: Duration;
  /** @default the machine's clock, in fractions of a millisecond */
  clock?: Clock;
  /** @default process.env */
  env?: Env;
}

/** How `metricsHandler()` serves. */
export interface MetricsHandlerOptions {
  /** Who scrapes must send `Authorization: Bearer <token>`. @default nobody is asked */
  token?: string;
}

/** Metrics and traces of a process. Recording never throws and never waits. */
export interface Monitoring extends ModuleInstance, Metrics, Tracer, HttpTracing {
  /** Its metrics. */
  readonly registry: Registry;
  /**
   * A Fetch handler that serves the metrics to Prometheus, in its text format or as OpenMetrics.
   *
   * @throws {@link MetricsTokenError} `E_MONITORING_TOKEN` for an empty token.
   */
  metricsHandler(options?: MetricsHandlerOptions): (request: Request) => Promise<Response>;
  /**
   * Adds processor, memory and event loop of this process to its metrics, from when its code has loaded, at the latest
   * when `ready()` has resolved, until the returned function is called.
   */
  collectProcessMetrics(options?: ProcessMetricsOptions): () => void;
  /**
   * Makes a span and a duration of every request and of every operation of every module, from when its code has loaded,
   * at the latest when `ready()` has resolved. One monitoring in a process can: it takes over from any earlier one. The
   * returned function ends it.
   */
  instrument(options?: InstrumentOptions): () => void;
  /** Adds an exporter; the returned function takes it out, flushed and closed. */
  addExporter(exporter: MonitoringExporter): () => Promise<void>;
  /** The spans that ended last, oldest first. */
  recentSpans(): FinishedSpan[];
  /** What `recentSpans()` holds of one trace, as trees. */
  traceTree(traceId: string): SpanNode[];
  /** The same as text for people, a line a span. @default no colours */
  formatTrace(traceId: string, options?: FormatTraceOptions): Promise<string>;
  /** Hands the metrics to the exporters and lets them send what they hold. */
  flush(): Promise<void>;
}
