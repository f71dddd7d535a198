import { fakeClock } from '@vibeonrails/infra-core/testing';
import {
  createMonitoring,
  type MetricSnapshot,
  type MonitoringExporter,
} from '@vibeonrails/infra-monitoring';
import { monitoringExporterSuite } from '@vibeonrails/infra-monitoring/testing';
import { describe, expect, it, test } from 'vitest';
import { memoryExporter } from '../src/exporters.ts';

monitoringExporterSuite({ describe, it }, 'memory', () => {
  const exporter = memoryExporter(10);
  return { exporter, receivedSpans: async () => exporter.spans().map(({ name }) => name) };
});

const exporter = (parts: Partial<MonitoringExporter> = {}): MonitoringExporter => ({
  name: 'test',
  ready: async () => undefined,
  flush: async () => undefined,
  close: async () => undefined,
  ...parts,
});
const fail = (): never => {
  throw new Error('broken');
};

monitoringExporterSuite({ describe, it }, 'metrics alone', () => {
  const names: string[] = [];
  return {
    exporter: exporter({ exportMetrics: (metrics) => void names.push(...metrics.map(({ name }) => name)) }),
    receivedMetrics: async () => names,
  };
});

test('an exporter gets each span when it ends, until it is taken out', async () => {
  const monitoring = createMonitoring({ env: {} });
  const names: string[] = [];
  const steps: string[] = [];
  const remove = monitoring.addExporter(
    exporter({
      exportSpan: ({ name }) => void names.push(name),
      flush: async () => void steps.push('flush'),
      close: async () => void steps.push('close'),
    }),
  );
  monitoring.withSpan('a', () => 0);
  await remove();
  await remove();
  monitoring.withSpan('b', () => 0);
  expect(names).toEqual(['a']);
  expect(steps).toEqual(['flush', 'close']);
});

test('an exporter that throws is counted, and neither the work nor the other exporters notice', async () => {
  const names: string[] = [];
  const monitoring = createMonitoring({
    env: {},
    exporters: [
      exporter({ exportSpan: fail, exportMetrics: fail, flush: fail, close: fail }),
      exporter({ exportSpan: async () => fail() }),
      exporter({ exportSpan: ({ name }) => void names.push(name) }),
    ],
  });
  expect(monitoring.withSpan('a', () => 7)).toBe(7);
  await monitoring.flush();
  await monitoring.close();
  expect(names).toEqual(['a']);
  // Two spans; metrics and flush, twice each; close.
  expect(monitoring.registry.value('monitoring_dropped', { reason: 'exporter_threw' })).toBe(7);
});

test('an exporter gets the metrics every ten seconds, at a flush and at the end', async () => {
  const clock = fakeClock();
  const seen: (readonly MetricSnapshot[])[] = [];
  const monitoring = createMonitoring({
    clock,
    env: {},
    exporters: [exporter({ exportMetrics: (metrics) => void seen.push(metrics) })],
  });
  monitoring.increment('jobs');
  await clock.advance('9s');
  expect(seen).toHaveLength(0);
  await clock.advance('11s');
  expect(seen).toHaveLength(2);
  await monitoring.flush();
  await monitoring.close();
  await clock.advance('1m');
  expect(seen).toHaveLength(4);
  expect(seen[0]).toMatchObject([{ name: 'jobs_total', series: [{ value: 1 }] }]);
});

test('nothing wakes up for metrics that nobody takes', () => {
  const clock = fakeClock();
  createMonitoring({ clock, env: {}, exporters: [exporter()] });
  expect(clock.pending()).toBe(0);
});

test('ready() names the exporter that did not get ready', async () => {
  const broken = exporter({ name: 'collector', ready: async () => fail() });
  const monitoring = createMonitoring({ env: {}, exporters: [exporter(), broken] });
  await expect(monitoring.ready()).rejects.toMatchObject({
    code: 'E_MONITORING_EXPORTER',
    exporter: 'collector',
    cause: new Error('broken'),
  });
});

test('closing twice closes the exporters once', async () => {
  const closed: string[] = [];
  const monitoring = createMonitoring({
    env: {},
    exporters: [exporter({ close: async () => void closed.push('x') })],
  });
  await Promise.all([monitoring.close(), monitoring.close()]);
  expect(closed).toEqual(['x']);
});

test('every exporter that wants samples gets each one, until it is taken out', () => {
  const monitoring = createMonitoring({ env: {}, exporters: [] });
  const seen: string[] = [];
  const taking = (name: string): MonitoringExporter =>
    exporter({ exportSample: ({ metric }, value) => void seen.push(`${name} ${metric} ${value}`) });
  monitoring.addExporter(taking('a'));
  const remove = monitoring.addExporter(taking('b'));
  monitoring.addExporter(exporter({ exportSample: fail }));
  monitoring.observe('wait_ms', 1);
  void remove();
  monitoring.observe('wait_ms', 2);
  expect(seen).toEqual(['a wait_ms 1', 'b wait_ms 1', 'a wait_ms 2']);
  expect(monitoring.registry.value('wait_ms')).toBe(2);
  expect(monitoring.registry.value('monitoring_dropped', { reason: 'exporter_threw' })).toBe(2);
});
