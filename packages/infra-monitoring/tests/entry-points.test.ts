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
  const source = `infra-monitoring/src/`;
  const files = (await loadedFiles(folder, '@vibeonrails/infra-monitoring')).filter((file) =>
    file.replaceAll('\\', '/').includes(source),
  );
  const names = files.map((file) => file.replaceAll('\\', '/').split(source)[1]);
  for (const late of ['handler.ts', 'metrics/render.ts', 'drivers/statsd.ts', 'drivers/otlp.ts'])
    expect(names).not.toContain(late);
  // Each file costs a third of a millisecond at start.
  expect(files.length).toBeLessThanOrEqual(28);
  const sources = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const importsOf = (code: string): string[] =>
    [...code.matchAll(/^(?:import|export) (?!type )[^;]*? from '(@vibeonrails\/[^']+|node:[^']+)'/gm)].map(
      ([, specifier]) => specifier ?? '',
    );
  const imported = sources.flatMap(importsOf);
  expect(new Set(imported)).toEqual(new Set(['@vibeonrails/infra-core', 'node:perf_hooks']));
  expect(imported.filter((specifier) => specifier === '@vibeonrails/infra-core')).toHaveLength(2);
});
