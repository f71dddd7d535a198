import type { ModuleHandle } from '@vibeonrails/infra-core';
import type { FetchHandler } from '@vibeonrails/infra-core/http';
import type { MetricsHandlerOptions, Monitoring, MonitoringOptions } from './contract.ts';
import { defineModule, log, slot } from './core.ts';
import type { HttpSpanOptions } from './instrument/http.ts';
import type { InstrumentOptions } from './instrument/instrument.ts';
import type { MetricDescription } from './metrics/families.ts';
import type { Labels } from './metrics/labels.ts';
import type { MeasuredSpan } from './metrics/recorder.ts';
import type { Registry } from './metrics/registry.ts';
import { createMonitoring, metricsHandlerFor } from './monitoring.ts';
import type { ProcessMetricsOptions } from './process-metrics.ts';
import type { Attributes, EndSpanOptions, Span, SpanOptions } from './tracing/span.ts';
import { VERSION } from './version.ts';

/** The default monitoring of this process. */
export const handle: ModuleHandle<Monitoring, MonitoringOptions> = defineModule<
  Monitoring,
  MonitoringOptions
>({
  module: 'monitoring',
  package: '@vibeonrails/infra-monitoring',
  version: VERSION,
  contract: 1,
  create: createMonitoring,
});

/** Records in place of a default that cannot be had, so that recording goes on without an error. */
function standIn(err: unknown): Monitoring {
  return slot('monitoring-stand-in', 1, () => {
    log.error({ err }, 'the default monitoring cannot be used; recording apart from it');
    return createMonitoring({ env: {} });
  });
}

function it(): Monitoring {
  try {
    return handle.instance();
  } catch (err) {
    return standIn(err);
  }
}

/** Adds `by`, 0 or more, to a counter; to a gauge where the name is one. Never throws. @default by 1 */
export function increment(name: string, by?: number, labels?: Labels): void {
  it().increment(name, by, labels);
}

/** Takes `by` from a gauge. Never throws. @default by 1 */
export function decrement(name: string, by?: number, labels?: Labels): void {
  it().decrement(name, by, labels);
}

/** Sets a gauge. Never throws. */
export function gauge(name: string, value: number, labels?: Labels): void {
  it().gauge(name, value, labels);
}

/** Records one sample of a histogram. Never throws. @param span where it was measured; by default the current one */
export function observe(name: string, value: number, labels?: Labels, span?: MeasuredSpan): void {
  it().observe(name, value, labels, span);
}

/** Starts measuring; the returned function records the time since, and returns it. See {@link Metrics.startTimer}. */
export function startTimer(name: string, labels?: Labels): (labels?: Labels) => number {
  return it().startTimer(name, labels);
}

/** Runs `fn` and records how long it took, also when it fails. */
export function time<T>(name: string, fn: () => T, labels?: Labels): T {
  return it().time(name, fn, labels);
}

/** Says what a metric is, before its first sample. @throws `E_MONITORING_DESCRIBE` for a description that cannot be. */
export function describe(name: string, description: MetricDescription): void {
  it().describe(name, description);
}

/** Starts a span under the current one, without becoming the current one. Whoever starts it ends it. Never throws. */
export function startSpan(name: string, options?: SpanOptions): Span {
  return it().startSpan(name, options);
}

/** Adds facts to an open span. Never throws; nothing happens when the span is over. */
export function setSpanAttributes(spanId: string, attributes: Attributes): void {
  it().setSpanAttributes(spanId, attributes);
}

/** Notes that something happened in an open span, now. Never throws; nothing happens when the span is over. */
export function addSpanEvent(spanId: string, name: string, attributes?: Attributes): void {
  it().addSpanEvent(spanId, name, attributes);
}

/** Ends a span. Never throws; nothing happens when it is over already. */
export function endSpan(spanId: string, options?: EndSpanOptions): void {
  it().endSpan(spanId, options);
}

/** Runs `fn` in a span that is the current one for everything it calls and awaits. See {@link Tracer.withSpan}. */
export function withSpan<T>(name: string, fn: (span: Span) => T, options?: SpanOptions): T {
  return it().withSpan(name, fn, options);
}

/** The recorded span of the current context, while it is open. */
export function activeSpan(): Span | undefined {
  return it().activeSpan();
}

/** Serves a request in a span of its own. See {@link HttpTracing.withHttpSpan}. */
export function withHttpSpan<T extends Response | Promise<Response>>(
  request: Request,
  serve: () => T,
  options?: HttpSpanOptions,
): T {
  return it().withHttpSpan(request, serve, options);
}

/** A Fetch handler that serves each request in a span, and measures it. See {@link HttpTracing.traceHandler}. */
export function traceHandler(handler: FetchHandler, options?: HttpSpanOptions): FetchHandler {
  return (request) => it().traceHandler(handler, options)(request);
}

/** A Fetch handler that serves the default metrics to Prometheus. @throws `E_MONITORING_TOKEN` for an empty token. */
export function metricsHandler(options?: MetricsHandlerOptions): (request: Request) => Promise<Response> {
  return metricsHandlerFor(() => it().registry, options);
}

/** Adds processor, memory and event loop of this process to the metrics, until the returned function is called. */
export function collectProcessMetrics(options?: ProcessMetricsOptions): () => void {
  return it().collectProcessMetrics(options);
}

/** Makes a span and a duration of every operation of every module, until the returned function is called. See {@link Monitoring.instrument}. */
export function instrument(options?: InstrumentOptions): () => void {
  return it().instrument(options);
}

/** The metrics of the default monitoring. */
export const registry: Registry = {
  increment,
  decrement,
  gauge,
  observe,
  startTimer,
  time,
  describe,
  collect: (read) => it().registry.collect(read),
  drop: (reason, count) => it().registry.drop(reason, count),
  onSample: (take) => it().registry.onSample(take),
  snapshot: () => it().registry.snapshot(),
  snapshotInSlices: () => it().registry.snapshotInSlices(),
  value: (name, labels) => it().registry.value(name, labels),
  render: (options) => it().registry.render(options),
  chunks: (format) => it().registry.chunks(format),
};

/** The default monitoring, made from the environment at first use. */
export const monitoring: Monitoring = {
  increment,
  decrement,
  gauge,
  observe,
  startTimer,
  time,
  describe,
  startSpan,
  setSpanAttributes,
  addSpanEvent,
  endSpan,
  withSpan,
  activeSpan,
  withHttpSpan,
  traceHandler,
  metricsHandler,
  collectProcessMetrics,
  instrument,
  registry,
  bridgeTo: (bridge) => it().bridgeTo(bridge),
  addExporter: (exporter) => it().addExporter(exporter),
  recentSpans: () => it().recentSpans(),
  traceTree: (traceId) => it().traceTree(traceId),
  formatTrace: (traceId, options) => it().formatTrace(traceId, options),
  flush: () => it().flush(),
  ready: async () => handle.instance().ready(),
  close: () => it().close(),
};

/**
 * Makes the default monitoring from `options`, before its first use.
 *
 * @throws {@link AlreadyConfiguredError} `E_MONITORING_CONFIGURED` when it is in use, unless `replace` is true.
 */
export function configureMonitoring(options: MonitoringOptions & { replace?: boolean }): Monitoring {
  return handle.configure(options);
}
