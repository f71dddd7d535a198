import { loadedBy } from '@vibeonrails/vitest-config/examples';
import { expect, test } from 'vitest';

const folder = new URL('..', import.meta.url);

test('the root exports these names', async () => {
  expect(Object.keys(await import('@vibeonrails/infra-monitoring')).sort()).toMatchInlineSnapshot(`
    [
      "ExporterError",
      "MetricDescriptionError",
      "MetricsTokenError",
      "MonitoringOptionError",
      "activeSpan",
      "collectProcessMetrics",
      "configureMonitoring",
      "createMonitoring",
      "createRegistry",
      "decrement",
      "describe",
      "endSpan",
      "gauge",
      "increment",
      "instrument",
      "metricsHandler",
      "monitoring",
      "observe",
      "otlp",
      "registry",
      "setSpanAttributes",
      "startSpan",
      "startTimer",
      "statsd",
      "time",
      "traceHandler",
      "withHttpSpan",
      "withSpan",
    ]
  `);
});

test('./testing exports these names', async () => {
  expect(Object.keys(await import('@vibeonrails/infra-monitoring/testing')).sort()).toMatchInlineSnapshot(`
    [
      "collectSpans",
      "fakeMetrics",
      "fakeMonitoring",
      "monitoringExporterSuite",
    ]
  `);
});

test('importing the root loads no library', async () => {
  expect(await loadedBy(folder, '@vibeonrails/infra-monitoring')).toEqual([]);
});
