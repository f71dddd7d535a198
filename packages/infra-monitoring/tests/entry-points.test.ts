import { readFile } from 'node:fs/promises';
import { loadedBy, loadedFiles } from '@vibeonrails/vitest-config/examples';
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
      "addSpanEvent",
      "collectProcessMetrics",
      "configureMonitoring",
      "consoleExporter",
      "createMonitoring",
      "createRegistry",
      "decrement",
      "describe",
      "endSpan",
      "fastifyRoute",
      "gauge",
      "honoRoute",
      "increment",
      "instrument",
      "metricsHandler",
      "monitoring",
      "observe",
      "otlp",
      "registry",
      "setHttpRoute",
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

test('./opentelemetry exports these names', async () => {
  expect(Object.keys(await import('@vibeonrails/infra-monitoring/opentelemetry'))).toEqual([
    'bridgeOpenTelemetry',
  ]);
});

test('./testing exports these names', async () => {
  expect(Object.keys(await import('@vibeonrails/infra-monitoring/testing')).sort()).toMatchInlineSnapshot(`
    [
      "collectSpans",
      "fakeMetrics",
      "fakeMonitoring",
      "formatTrace",
      "monitoringExporterSuite",
    ]
  `);
});

test('importing the root loads no library', async () => {
  expect(await loadedBy(folder, '@vibeonrails/infra-monitoring')).toEqual([]);
});

test('importing the root loads the recording calls alone: no exporter, no rendering, no costly part of Node', async () => {
  const source = 'infra-monitoring/src/';
  const loaded = (await loadedFiles(folder, '@vibeonrails/infra-monitoring')).map((file) =>
    file.replaceAll('\\', '/'),
  );
  const files = loaded.filter((file) => file.includes(source));
  // Each file costs a third of a millisecond at start, whatever its size.
  expect(files.map((file) => file.split(source)[1]).sort()).toEqual([
    'config.ts',
    'core.ts',
    'drivers.ts',
    'errors.ts',
    'exporters.ts',
    'index.ts',
    'instrument/http.ts',
    'metrics.ts',
    'metrics/families.ts',
    'metrics/family.ts',
    'metrics/labels.ts',
    'metrics/recorder.ts',
    'module.ts',
    'monitoring.ts',
    'tracing.ts',
    'tracing/live-spans.ts',
    'tracing/recorded-span.ts',
    'version.ts',
  ]);
  const sources = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const importsOf = (code: string): string[] =>
    [...code.matchAll(/^(?:import|export) (?!type )[^;]*? from '(@vibeonrails\/[^']+|node:[^']+)'/gm)].map(
      ([, specifier]) => specifier ?? '',
    );
  // One door to core: Node resolves a package's name anew for each file that imports it.
  const imported = sources.flatMap(importsOf);
  expect(imported.filter((specifier) => specifier !== '@vibeonrails/infra-core')).toEqual([]);
  expect(imported).toHaveLength(2);
});
