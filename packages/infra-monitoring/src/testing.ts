export { type ExporterUnderTest, monitoringExporterSuite, type SuiteRunner } from './exporter-suite.ts';
export {
  collectSpans,
  type FakeMonitoring,
  fakeMonitoring,
  fakeMonitoring as fakeMetrics,
  type SpanCollection,
} from './fake.ts';
export { type FormatTraceOptions, formatTrace } from './tracing/format.ts';
