import { runWithContext } from '@vibeonrails/infra-core';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import {
  createMonitoring,
  createRegistry,
  type Exemplar,
  type Monitoring,
} from '@vibeonrails/infra-monitoring';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseScrape } from './scrape-parser.ts';

const clock = fakeClock();
let monitoring: Monitoring;
beforeEach(() => {
  monitoring = createMonitoring({ env: {}, clock, sampler: 'always_on' });
  monitoring.describe('wait_ms', { type: 'histogram', buckets: [10, 100] });
});
afterEach(() => monitoring.close());

/** The exemplars of the only series of a histogram, by the bound of their bucket. */
function exemplars(of = monitoring, name = 'wait_ms'): Record<string, Exemplar> {
  const metric = of.registry.snapshot().find((one) => one.name === name);
  const series = metric?.type === 'histogram' ? metric.series : [];
  return Object.fromEntries(
    series.flatMap(({ buckets }) =>
      buckets.flatMap(({ le, exemplar }) => (exemplar ? [[le, exemplar]] : [])),
    ),
  );
}

test('a sample inside a span leaves the ids of that span with its bucket', () => {
  const span = monitoring.withSpan('work', (current) => {
    monitoring.observe('wait_ms', 50);
    return current;
  });
  const { traceId, spanId } = span;
  expect(exemplars()).toEqual({ 100: { traceId, spanId, value: 50, time: clock.now() } });
});

test('OpenMetrics shows them, the text format does not', async () => {
  const { traceId, spanId } = monitoring.withSpan('work', (span) => {
    monitoring.observe('wait_ms', 7);
    monitoring.observe('wait_ms', 1e6);
    return span;
  });
  const [histogram] = parseScrape(await monitoring.registry.render({ format: 'openmetrics' }), 'openmetrics');
  const labels = new Map(Object.entries({ trace_id: traceId, span_id: spanId }));
  const time = clock.now() / 1000;
  expect(histogram?.samples.map(({ exemplar }) => exemplar)).toEqual([
    { labels, value: 7, time },
    undefined,
    { labels, value: 1e6, time },
    undefined,
    undefined,
  ]);
  expect(await monitoring.registry.render()).not.toContain(traceId);
});

test('samples outside a span, and in a trace that is left out, leave none', () => {
  const off = createMonitoring({ env: {}, sampler: 'always_off' });
  off.withSpan('work', () => off.observe('wait_ms', 1));
  monitoring.observe('wait_ms', 1);
  expect([exemplars(), exemplars(off)]).toEqual([{}, {}]);
});

test('a bucket keeps the first one after each reading', async () => {
  const measure = (value: number): void =>
    monitoring.withSpan('work', () => monitoring.observe('wait_ms', value));
  const shown = (): number[] => Object.values(exemplars()).map(({ value }) => value);
  measure(1);
  measure(2);
  measure(50);
  expect(shown()).toEqual([1, 50]);
  measure(3);
  measure(4);
  expect(shown()).toEqual([3, 50]);
  await monitoring.registry.render({ format: 'openmetrics' });
  measure(5);
  await monitoring.registry.render();
  measure(6);
  expect(shown()).toEqual([5, 50]);
});

test('a span may be given in place of the current one', () => {
  const span = monitoring.startSpan('elsewhere');
  monitoring.withSpan('here', () => monitoring.observe('wait_ms', 1, {}, span));
  expect(exemplars()[10]?.spanId).toBe(span.spanId);
});

test('a request and an operation leave their own spans', () => {
  monitoring.withHttpSpan(new Request('http://localhost/'), () => new Response());
  const [span] = monitoring.recentSpans();
  const [exemplar] = Object.values(exemplars(monitoring, 'http_server_request_duration_seconds'));
  expect(exemplar?.spanId).toBe(span?.spanId);
});

test('a registry of its own follows the context, and ids that are none are left out', () => {
  const registry = createRegistry();
  const traceId = 'a'.repeat(32);
  const observeIn = (spanId: string): void =>
    runWithContext({ trace: { traceId, spanId, sampled: true } }, () => registry.observe('size', 1));
  observeIn('"} 1\n');
  observeIn('b'.repeat(16));
  const [metric] = registry.snapshot();
  const [bucket] = metric?.type === 'histogram' ? (metric.series[0]?.buckets ?? []) : [];
  expect(bucket?.exemplar).toMatchObject({ traceId, spanId: 'b'.repeat(16), value: 1 });
});
