import { fakeClock } from '@vibeonrails/infra-core/testing';
import {
  createMonitoring,
  type MonitoringOptions,
  type OtlpOptions,
  otlp,
} from '@vibeonrails/infra-monitoring';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type OtlpReceiver, otlpReceiver } from './otlp-receiver.ts';
import { until } from './statsd-receiver.ts';
import { turnsDuring } from './turns.ts';

let collector: OtlpReceiver;
const open: { close(): Promise<unknown> }[] = [];
beforeEach(async () => {
  collector = await otlpReceiver();
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
  await collector.close();
  expect(collector.problems).toEqual([]);
});

const sending = (options: OtlpOptions = {}, how: MonitoringOptions = {}) => {
  const exporter = otlp({ endpoint: collector.url, signals: ['metrics'], retryFor: 0, ...options });
  const monitoring = createMonitoring({ env: {}, exporters: [exporter], ...how });
  open.push(monitoring);
  return monitoring;
};
const dropped = (monitoring: ReturnType<typeof sending>, reason: string): number =>
  monitoring.registry.value('monitoring_dropped', { reason }) ?? 0;

test('counters, gauges and histograms arrive as OpenTelemetry has them', async () => {
  const clock = fakeClock();
  const monitoring = sending({ resource: { 'service.name': 'shop' } }, { clock });
  await monitoring.ready();
  const start = clock.now();
  monitoring.increment('jobs', 3, { queue: 'mail' });
  monitoring.gauge('depth', -2.5);
  for (const seconds of [0.004, 0.2, 99]) monitoring.observe('wait_seconds', seconds, { kind: 'a' });
  await clock.advance('1s');
  await monitoring.flush();
  const times = { startTimeUnixNano: `${start}000000`, timeUnixNano: `${start + 1000}000000` };
  const received = Object.fromEntries(collector.metrics[0]?.map((metric) => [metric.name, metric]) ?? []);
  expect(received.jobs).toEqual({
    name: 'jobs',
    unit: '',
    type: 'sum',
    points: [{ ...times, attributes: { queue: 'mail' }, asDouble: 3 }],
  });
  expect(received.depth).toMatchObject({ type: 'gauge', points: [{ attributes: {}, asDouble: -2.5 }] });
  const [point] = received.wait_seconds?.points ?? [];
  expect(received.wait_seconds).toMatchObject({ type: 'histogram', unit: 's' });
  expect(point).toMatchObject({ ...times, attributes: { kind: 'a' }, count: '3', sum: 99.204 });
  const counts = (point?.bucketCounts ?? []) as string[];
  expect([counts[0], counts.at(-1)]).toEqual(['1', '1']);
  expect(collector.resources[0]).toMatchObject({ 'service.name': 'shop' });
});

test('the metrics of instrument() bear their names in OpenTelemetry', async () => {
  const monitoring = sending();
  await monitoring.traceHandler(() => new Response('', { status: 201 }), { route: '/users/:id' })(
    new Request('https://shop.example/users/7', { method: 'POST' }),
  );
  await monitoring.flush();
  const metric = collector.metrics.flat().find(({ name }) => name === 'http.server.request.duration');
  expect(metric).toMatchObject({
    unit: 's',
    points: [
      {
        attributes: {
          'http.request.method': 'POST',
          'http.response.status_code': 201,
          'http.route': '/users/:id',
          'url.scheme': 'https',
        },
      },
    ],
  });
});

test('an exemplar leads from a bucket to its trace', async () => {
  const monitoring = sending();
  const span = monitoring.withSpan('work', (current) => {
    monitoring.observe('wait_ms', 7);
    return current;
  });
  await monitoring.flush();
  const [point] = collector.metrics.flat().find(({ name }) => name === 'wait_ms')?.points ?? [];
  expect(point?.exemplars).toMatchObject([{ asDouble: 7, traceId: span.traceId, spanId: span.spanId }]);
});

test('every push has the values since the start, at the interval', async () => {
  const clock = fakeClock();
  const monitoring = sending({}, { clock, pushInterval: '10s' });
  await monitoring.ready();
  monitoring.increment('jobs');
  await clock.advance('10s');
  await until(() => collector.metrics.length === 1);
  monitoring.increment('jobs');
  await clock.advance('10s');
  await until(() => collector.metrics.length === 2);
  const values = collector.metrics.map(
    (metrics) => metrics.find(({ name }) => name === 'jobs')?.points[0]?.asDouble,
  );
  expect(values).toEqual([1, 2]);
});

test('spans and metrics each go to their address', async () => {
  const monitoring = sending({ signals: ['traces', 'metrics'], tracesEndpoint: `${collector.url}/spans` });
  monitoring.withSpan('x', () => monitoring.increment('jobs'));
  await monitoring.flush();
  expect(collector.requests.map(({ path }) => path).sort()).toEqual(['/spans', '/v1/metrics']);
});

test('many series leave in several requests, each small', async () => {
  const monitoring = sending({}, { maxSeries: 12_000 });
  for (let i = 0; i < 11_000; i += 1)
    monitoring.increment('jobs', 1, { id: `${i}`, text: 'x'.repeat(120), more: 'y'.repeat(120) });
  await monitoring.flush();
  await until(() => collector.metrics.flat().flatMap(({ points }) => points).length === 11_000);
  expect(collector.metrics.length).toBeGreaterThan(1);
  for (const { headers } of collector.requests)
    expect(Number(headers['content-length'])).toBeLessThan(6 * 1024 * 1024);
});

test('the event loop turns while many series are written', async () => {
  await collector.close();
  const monitoring = sending({}, { maxSeries: 25_000 });
  for (let id = 0; id < 25_000; id += 1) monitoring.increment('jobs', 1, { id });
  await monitoring.ready();
  await monitoring.flush();
  // A request that is refused takes a turn or two by itself.
  expect(await turnsDuring(() => monitoring.flush())).toBeGreaterThan(10);
});

describe('a collector', () => {
  test('that is slow gets one reading at a time, and then the newest', async () => {
    const answers: (() => void)[] = [];
    collector.answer = (response) => void answers.push(() => response.end('{}'));
    const clock = fakeClock();
    const monitoring = sending({ timeout: '10m' }, { clock, pushInterval: '10s' });
    await monitoring.ready();
    monitoring.increment('jobs');
    await clock.advance('10s');
    await until(() => collector.metrics.length === 1);
    for (let i = 0; i < 5; i += 1) {
      monitoring.increment('jobs');
      await clock.advance('10s');
    }
    expect(collector.metrics).toHaveLength(1);
    collector.answer = (response) => void response.end('{}');
    answers.shift()?.();
    await until(() => collector.metrics.length === 2);
    const last = collector.metrics.at(-1)?.find(({ name }) => name === 'jobs')?.points[0]?.asDouble;
    expect([collector.metrics.length, last]).toEqual([2, 6]);
    expect(dropped(monitoring, 'otlp_metrics_unsent')).toBe(0);
  });
  test.each([413, 503])(
    'that answers %i loses the reading, which is counted; the next one makes up for it',
    async (status) => {
      collector.answer = (response, request) =>
        void response.writeHead(request === 1 ? status : 200).end('{}');
      const monitoring = sending();
      monitoring.increment('jobs');
      await monitoring.flush();
      expect(dropped(monitoring, 'otlp_metrics_unsent')).toBe(1);
      monitoring.increment('jobs');
      await monitoring.flush();
      const jobs = collector.metrics.at(-1)?.find(({ name }) => name === 'jobs');
      expect(jobs?.points[0]?.asDouble).toBe(2);
    },
  );
  test('that took a part has what it left out counted', async () => {
    collector.answer = (response) =>
      void response.end(JSON.stringify({ partialSuccess: { rejectedDataPoints: 1 } }));
    const monitoring = sending();
    monitoring.increment('jobs', 1, { a: 1 });
    monitoring.increment('jobs', 1, { a: 2 });
    await monitoring.flush();
    expect(dropped(monitoring, 'otlp_rejected')).toBe(1);
  });
  test('that does not answer holds neither a flush nor a close for long', async () => {
    collector.answer = () => undefined;
    const monitoring = sending({ flushTimeout: 50 });
    monitoring.increment('jobs');
    await monitoring.flush();
    await monitoring.close();
    expect(dropped(monitoring, 'otlp_metrics_unsent')).toBeGreaterThan(0);
  });
});
