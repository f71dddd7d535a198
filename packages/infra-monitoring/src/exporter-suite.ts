import assert from 'node:assert/strict';
import type { MonitoringExporter } from './driver.ts';
import { createRegistry } from './metrics.ts';
import type { FinishedSpan } from './tracing/span.ts';

/** The test runner's two functions: vitest's, or those of `node:test`. */
export interface SuiteRunner {
  describe(name: string, fn: () => void): void;
  it(name: string, fn: () => Promise<void>): void;
}

/** An exporter under test, and what arrived where it sends to. */
export interface ExporterUnderTest {
  exporter: MonitoringExporter;
  /** Names of the spans that arrived, in any order. */
  receivedSpans?(): Promise<readonly string[]>;
  /** Names of the metrics that arrived, in any order and as often as they came. */
  receivedMetrics?(): Promise<readonly string[]>;
}

/** Registers the tests that every {@link MonitoringExporter} passes. `make` returns a fresh one each time. */
export function monitoringExporterSuite(
  { describe, it }: SuiteRunner,
  name: string,
  make: () => ExporterUnderTest | Promise<ExporterUnderTest>,
): void {
  const test = (title: string, body: (under: ExporterUnderTest) => Promise<void>): void =>
    it(title, async () => {
      const under = await make();
      await under.exporter.ready();
      try {
        await body(under);
      } finally {
        await under.exporter.close();
      }
    });

  describe(`the monitoring exporter contract: ${name}`, () => {
    test('has a name', async ({ exporter }) => {
      assert.match(exporter.name, /\S/);
    });
    test('gets ready twice without harm', async ({ exporter }) => {
      await exporter.ready();
    });
    test('passes on every span it took by the end of a flush', async ({ exporter, receivedSpans }) => {
      if (!exporter.exportSpan) return;
      for (const title of ['one', 'two', 'three']) exporter.exportSpan(sampleSpan(title));
      await exporter.flush();
      assert.deepEqual([...((await receivedSpans?.()) ?? [])].sort(), ['one', 'three', 'two']);
    });
    test('takes a span with every field set', async ({ exporter, receivedSpans }) => {
      if (!exporter.exportSpan) return;
      exporter.exportSpan({ ...sampleSpan('full'), ...EVERYTHING });
      await exporter.flush();
      assert.deepEqual(await receivedSpans?.(), ['full']);
    });
    test('passes on the metrics it took by the end of a flush', async ({ exporter, receivedMetrics }) => {
      if (!exporter.exportMetrics) return;
      exporter.exportSample?.({ metric: 'wait_ms', labels: {} }, 7);
      exporter.exportMetrics(sampleMetrics());
      await exporter.flush();
      const received = new Set(await receivedMetrics?.());
      for (const metric of ['jobs_total', 'depth', 'wait_ms'])
        assert.ok(received.has(metric), `${metric} did not arrive: ${[...received].join(', ')}`);
    });
    test('hands over without waiting', async ({ exporter }) => {
      assert.equal(exporter.exportSpan?.(sampleSpan('now')), undefined);
      assert.equal(exporter.exportSample?.({ metric: 'wait_ms', labels: {} }, 7), undefined);
      assert.equal(exporter.exportMetrics?.(sampleMetrics()), undefined);
    });
    test('flushes with nothing to send', async ({ exporter }) => {
      await exporter.flush();
    });
    test('closes twice, and takes what comes after without a throw', async ({ exporter }) => {
      await exporter.close();
      exporter.exportSpan?.(sampleSpan('late'));
      exporter.exportSample?.({ metric: 'wait_ms', labels: {} }, 7);
      exporter.exportMetrics?.(sampleMetrics());
      await exporter.flush();
    });
  });
}

const EVERYTHING = {
  parentSpanId: 'b'.repeat(16),
  state: 'vendor=1',
  kind: 'server',
  attributes: { text: 'ü☃"\n', number: -0.5, flag: true, list: ['a', 1, false] },
  links: [{ traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), sampled: true }],
  events: [{ name: 'cache miss', time: Date.UTC(2026, 0, 1), attributes: { key: 'k' } }],
  status: 'error',
  error: { type: 'E_SAMPLE', message: 'it broke' },
  abandoned: true,
} as const;

let spans = 0;

function sampleSpan(name: string): FinishedSpan {
  spans += 1;
  return {
    traceId: 'a'.repeat(32),
    spanId: spans.toString(16).padStart(16, '0'),
    parentSpanId: undefined,
    name,
    kind: 'internal',
    sampled: true,
    state: undefined,
    startTime: Date.UTC(2026, 0, 1),
    duration: 12.5,
    attributes: {},
    links: [],
    events: [],
    status: 'unset',
  };
}

function sampleMetrics(): ReturnType<ReturnType<typeof createRegistry>['snapshot']> {
  const registry = createRegistry();
  registry.increment('jobs', 3, { queue: 'mail "x"' });
  registry.gauge('depth', -2);
  registry.observe('wait_ms', 7);
  return registry.snapshot();
}
