export type { MetricsHandlerOptions, Monitoring, MonitoringOptions } from './contract.ts';
export type { ExporterHost, MonitoringExporter } from './driver.ts';
export type {
  ConsoleOptions,
  OtlpOptions,
  OtlpSignal,
  StatsdDialect,
  StatsdOptions,
} from './drivers/options.ts';
export { consoleExporter, otlp, statsd } from './drivers.ts';
export {
  ExporterError,
  MetricDescriptionError,
  MetricsTokenError,
  MonitoringOptionError,
} from './errors.ts';
export type { SpanNode } from './exporters.ts';
export {
  fastifyRoute,
  type HttpSpanOptions,
  type HttpTracing,
  honoRoute,
  setHttpRoute,
} from './instrument/http.ts';
export type { InstrumentOptions, SourceName } from './instrument/instrument.ts';
export type { DropReason, MetricDescription } from './metrics/families.ts';
export type { Labels } from './metrics/labels.ts';
export type { MeasuredSpan, Metrics } from './metrics/recorder.ts';
export type {
  BucketSnapshot,
  HistogramSnapshot,
  MetricSnapshot,
  Registry,
  RegistryOptions,
  ValueSnapshot,
} from './metrics/registry.ts';
export type { MetricsFormat } from './metrics/render.ts';
export type { Exemplar, MetricType, SampledSeries } from './metrics/series.ts';
export { createRegistry } from './metrics.ts';
export {
  activeSpan,
  addSpanEvent,
  collectProcessMetrics,
  configureMonitoring,
  decrement,
  describe,
  endSpan,
  gauge,
  increment,
  instrument,
  metricsHandler,
  monitoring,
  observe,
  registry,
  setSpanAttributes,
  startSpan,
  startTimer,
  time,
  traceHandler,
  withHttpSpan,
  withSpan,
} from './module.ts';
export { createMonitoring } from './monitoring.ts';
export type { ProcessMetricsOptions } from './process-metrics.ts';
export type { BridgedSpan, TracingBridge } from './tracing/bridge.ts';
export type { FormatTraceOptions } from './tracing/format.ts';

export type {
  Attributes,
  AttributeValue,
  EndSpanOptions,
  FinishedSpan,
  Span,
  SpanEvent,
  SpanKind,
  SpanLink,
  SpanOptions,
  SpanStatus,
} from './tracing/span.ts';
export type { SamplerName, SamplerOption, Tracer } from './tracing/tracer.ts';
