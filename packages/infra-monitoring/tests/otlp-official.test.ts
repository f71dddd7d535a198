import { readFileSync } from 'node:fs';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { type Attributes, createMonitoring, otlp, type SpanOptions } from '@vibeonrails/infra-monitoring';
import { expect, test } from 'vitest';
import { otlpReceiver } from './otlp-receiver.ts';

type Context = Exclude<SpanOptions['parent'], null | undefined>;

/** What OpenTelemetry's own SDK and serializers sent for `input`; `tooling/bench/fixtures/otlp.ts` writes it. */
interface Recorded {
  input: {
    start: number;
    read: number;
    resource: Record<string, string>;
    spans: {
      name: string;
      kind: 'internal';
      spanId: string;
      traceId: string;
      parent?: Context;
      child?: string;
      from: number;
      to: number;
      status?: 'ok';
      attributes?: Attributes;
      events?: { name: string; at: number; attributes: Attributes }[];
      links?: NonNullable<SpanOptions['links']>;
      error?: object;
    }[];
    metrics: {
      name: string;
      type: 'counter' | 'gauge' | 'histogram';
      help: string;
      buckets?: number[];
      samples: { labels: Record<string, string>; values: number[] }[];
    }[];
  };
  official: { traces: { resourceSpans: object[] }; metrics: { resourceMetrics: object[] } };
}

const recorded = (): Recorded =>
  JSON.parse(readFileSync(new URL('./fixtures/otlp.json', import.meta.url), 'utf8')) as Recorded;

/** Ours, told what `input` says: the bodies that arrive, and our random ids by those of the input. */
async function ours({ start, read, resource, spans, metrics }: Recorded['input']) {
  const collector = await otlpReceiver();
  const clock = fakeClock(start);
  const monitoring = createMonitoring({
    env: {},
    sampler: 'always_on',
    clock,
    pushInterval: '10m',
    exporters: [otlp({ endpoint: collector.url, resource, interval: '10m' })],
  });
  const at = (offset: number): Promise<void> => clock.advance(start + offset - clock.now());
  try {
    await monitoring.ready();
    const made = new Map<string, ReturnType<typeof monitoring.startSpan>>();
    for (const { name, spanId, from, child, parent, events = [], kind, attributes, links } of spans) {
      await at(from);
      const under = (child === undefined ? parent : made.get(child)) ?? null;
      const options = { kind, parent: under, ...(attributes && { attributes }), ...(links && { links }) };
      const span = monitoring.startSpan(name, options);
      made.set(spanId, span);
      for (const event of events) {
        await at(event.at);
        monitoring.addSpanEvent(span.spanId, event.name, event.attributes);
      }
    }
    for (const { spanId, to, error, status } of spans) {
      const how = { endTime: start + to, ...(status && { status }), ...(error && { error }) };
      monitoring.endSpan(made.get(spanId)?.spanId ?? '', how);
    }
    for (const { name, type, help, buckets, samples } of metrics) {
      monitoring.describe(name, { type, help, ...(buckets && { buckets }) });
      const record = { counter: 'increment', gauge: 'gauge', histogram: 'observe' } as const;
      for (const { labels, values } of samples)
        for (const value of values) monitoring[record[type]](name, value, labels);
    }
    await at(read);
    await monitoring.flush();
    expect(collector.problems).toEqual([]);
    const ids = spans.flatMap(({ spanId, traceId }) => {
      const span = made.get(spanId);
      return [[span?.spanId ?? '', spanId] as const, [span?.traceId ?? '', traceId] as const];
    });
    return { bodies: collector.bodies, ids: new Map(ids) };
  } finally {
    await monitoring.close();
    await collector.close();
  }
}

/** The body that has `key`, with ids of ours replaced: they are random, and cannot be given. */
function bodyWith(key: string, { bodies, ids }: Awaited<ReturnType<typeof ours>>): unknown {
  const found = bodies.find((body) => body.startsWith(`{"${key}"`)) ?? '';
  return JSON.parse(found.replace(/"([0-9a-f]{32}|[0-9a-f]{16})"/g, (_, id) => `"${ids.get(id) ?? id}"`));
}

/** 64-bit integers, which JSON's mapping of protobuf writes as text; the official serializers leave them numbers. */
const INTEGERS = new Set(['intValue', 'count', 'bucketCounts']);
/** What says who made it. */
const MAKERS = new Set(['telemetry.sdk.name', 'telemetry.sdk.version']);

const normalised = (body: unknown): unknown =>
  JSON.parse(JSON.stringify(body), (key, value: unknown) => {
    if (key === 'scope') return Object.keys(value as object).sort();
    if (INTEGERS.has(key)) return Array.isArray(value) ? value.map(String) : String(value);
    if (key !== 'attributes') return value;
    // The order of attributes has no meaning.
    return (value as { key: string; value: object }[])
      .map((pair) => (MAKERS.has(pair.key) ? { ...pair, value: 'its own' } : pair))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  });

test('a body of spans is the one that OpenTelemetry’s own exporter sends, field by field', async () => {
  const { input, official } = recorded();
  const body = normalised(bodyWith('resourceSpans', await ours(input)));
  expect(body).toStrictEqual(normalised(official.traces));
});

test('a body of metrics is the one that OpenTelemetry’s own exporter sends, field by field', async () => {
  const { input, official } = recorded();
  const body = bodyWith('resourceMetrics', await ours(input)) as {
    resourceMetrics: [{ scopeMetrics: [{ metrics: { name: string }[] }] }];
  };
  // Monitoring's own metrics are not the matter here.
  const [scoped] = body.resourceMetrics[0].scopeMetrics;
  scoped.metrics = scoped.metrics.filter(({ name }) => input.metrics.some((metric) => metric.name === name));
  expect(normalised(body)).toStrictEqual(normalised(official.metrics));
});
