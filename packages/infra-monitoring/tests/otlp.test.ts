import { type FakeClock, fakeClock } from '@vibeonrails/infra-core/testing';
import { createMonitoring, type Monitoring, type OtlpOptions, otlp } from '@vibeonrails/infra-monitoring';
import { monitoringExporterSuite } from '@vibeonrails/infra-monitoring/testing';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { type OtlpReceiver, otlpReceiver } from './otlp-receiver.ts';
import { until } from './statsd-receiver.ts';

let collector: OtlpReceiver;
const open: Monitoring[] = [];
beforeEach(async () => {
  collector = await otlpReceiver();
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  await collector.close();
  expect(collector.problems).toEqual([]);
});

const sending = (options: OtlpOptions = {}, clock?: FakeClock): Monitoring => {
  const monitoring = createMonitoring({
    env: {},
    sampler: 'always_on',
    ...(clock && { clock }),
    exporters: [otlp({ endpoint: collector.url, signals: ['traces'], ...options })],
  });
  open.push(monitoring);
  return monitoring;
};
const make = (monitoring: Monitoring, count: number): void => {
  for (let i = 0; i < count; i += 1) monitoring.endSpan(monitoring.startSpan(`s${i}`).spanId);
};
const dropped = (monitoring: Monitoring, reason: string): number =>
  monitoring.registry.value('monitoring_dropped', { reason }) ?? 0;
/** Lets real answers arrive while a test holds the clock. */
const advanceUntil = (clock: FakeClock, holds: () => boolean): Promise<void> =>
  until(() => {
    void clock.advance(100);
    return holds();
  });

for (const compression of ['none', 'gzip'] as const)
  monitoringExporterSuite({ describe, it }, `otlp, ${compression}`, () => ({
    exporter: otlp({ endpoint: collector.url, compression }),
    receivedSpans: async () => collector.spans().map(({ name }) => name),
    receivedMetrics: async () =>
      // Counters are named without the end that a scrape gives them.
      collector.metrics.flat().map(({ name, type }) => (type === 'sum' ? `${name}_total` : name)),
  }));

describe('a request', () => {
  test('has a span with all that was recorded of it', async () => {
    const clock = fakeClock();
    const monitoring = sending(
      { resource: { 'service.name': 'shop', 'deployment.environment': 'test' } },
      clock,
    );
    const parent = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true, state: 'vendor=1' };
    const other = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), sampled: false };
    const startTime = clock.now();
    const span = monitoring.startSpan('GET /users/:id', {
      parent,
      kind: 'server',
      links: [other],
      attributes: {
        text: 'ü☃"\n',
        half: '\ud800',
        whole: 7,
        part: -0.5,
        flag: true,
        list: ['a', 1, false],
        nan: Number.NaN,
      },
    });
    await clock.advance(100);
    monitoring.addSpanEvent(span.spanId, 'cache miss', { key: 'k' });
    await clock.advance(150);
    const failure = Object.assign(new Error('it broke'), {
      code: 'E_SAMPLE',
      stack: 'Error: it broke\n  at x',
    });
    monitoring.endSpan(span.spanId, { error: failure });
    await monitoring.flush();

    expect(collector.requests).toHaveLength(1);
    expect(collector.requests[0]?.path).toBe('/v1/traces');
    expect(collector.resources[0]).toEqual({
      'service.name': 'shop',
      'deployment.environment': 'test',
      'telemetry.sdk.name': '@vibeonrails/infra-monitoring',
      'telemetry.sdk.language': 'nodejs',
      'telemetry.sdk.version': expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
    expect(collector.spans()).toEqual([
      {
        traceId: parent.traceId,
        spanId: span.spanId,
        parentSpanId: parent.spanId,
        traceState: 'vendor=1',
        flags: 0x301,
        name: 'GET /users/:id',
        kind: 2,
        startTimeUnixNano: `${startTime}000000`,
        endTimeUnixNano: `${startTime + 250}000000`,
        attributes: {
          text: 'ü☃"\n',
          half: '\ufffd',
          whole: 7,
          part: -0.5,
          flag: true,
          list: ['a', 1, false],
          nan: Number.NaN,
          'error.type': 'E_SAMPLE',
        },
        events: [
          {
            name: 'cache miss',
            timeUnixNano: `${startTime + 100}000000`,
            attributes: { key: 'k' },
            droppedAttributesCount: 0,
          },
          {
            name: 'exception',
            timeUnixNano: `${startTime + 250}000000`,
            attributes: {
              'exception.type': 'E_SAMPLE',
              'exception.message': 'it broke',
              'exception.stacktrace': 'Error: it broke\n  at x',
            },
            droppedAttributesCount: 0,
          },
        ],
        droppedAttributesCount: 0,
        droppedEventsCount: 0,
        droppedLinksCount: 0,
        links: [
          {
            traceId: other.traceId,
            spanId: other.spanId,
            attributes: [],
            droppedAttributesCount: 0,
            flags: 0x300,
          },
        ],
        status: { code: 2, message: 'it broke' },
      },
    ]);
  });
  test('has OTLP’s number for each kind and status', async () => {
    const monitoring = sending();
    for (const kind of ['internal', 'server', 'client', 'producer', 'consumer'] as const)
      monitoring.endSpan(monitoring.startSpan(kind, { kind }).spanId, { status: 'ok' });
    await monitoring.flush();
    expect(collector.spans().map(({ kind }) => kind)).toEqual([1, 2, 3, 4, 5]);
    expect(collector.spans()[0]?.status).toEqual({ code: 1 });
  });
  test('leaves out a span with an id no collector takes, and counts it', async () => {
    const monitoring = sending();
    const parent = { traceId: 'no id', spanId: 'neither', sampled: true };
    monitoring.endSpan(monitoring.startSpan('odd', { parent }).spanId);
    make(monitoring, 1);
    await monitoring.flush();
    expect(collector.spans().map(({ name }) => name)).toEqual(['s0']);
    expect(dropped(monitoring, 'otlp_unsent')).toBe(1);
  });
  test('carries the headers it was given, to the address it was given', async () => {
    const monitoring = sending({
      tracesEndpoint: `${collector.url}/custom?tenant=1`,
      headers: { 'x-api-key': 'k=1' },
    });
    make(monitoring, 1);
    await monitoring.flush();
    expect(collector.requests[0]).toMatchObject({
      path: '/custom?tenant=1',
      headers: { 'x-api-key': 'k=1' },
    });
  });
});

describe('batches', () => {
  test('leave after five seconds, or at once when they are full', async () => {
    const clock = fakeClock();
    const monitoring = sending({}, clock);
    make(monitoring, 511);
    await clock.advance('4s');
    expect(collector.requests).toHaveLength(0);
    make(monitoring, 1);
    await until(() => collector.requests.length === 1);
    expect(collector.requests[0]?.spans).toHaveLength(512);
    make(monitoring, 3);
    await advanceUntil(clock, () => collector.requests.length === 2);
    expect(collector.requests[1]?.spans).toHaveLength(3);
  });
  test('hold 512 spans each, in the order they ended', async () => {
    const monitoring = sending();
    make(monitoring, 1300);
    await monitoring.flush();
    expect(collector.requests.map(({ spans }) => spans.length)).toEqual([512, 512, 276]);
    expect(collector.spans().map(({ name }) => name)).toEqual(
      Array.from({ length: 1300 }, (_, i) => `s${i}`),
    );
  });
  test('stay small in bytes', async () => {
    const monitoring = sending({ flushTimeout: '60s' });
    const attributes = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`a${i}`, 'x'.repeat(4000)]));
    for (let i = 0; i < 30; i += 1) monitoring.withSpan('large', () => 0, { attributes });
    await monitoring.flush();
    expect(collector.spans()).toHaveLength(30);
    for (const { headers } of collector.requests)
      expect(Number(headers['content-length'])).toBeLessThan(5 * 1024 * 1024);
  });
  test('wait in a queue of 2,048 spans while the collector is slow; the rest is counted', async () => {
    const answers: (() => void)[] = [];
    collector.answer = (response) => void answers.push(() => response.end('{}'));
    const monitoring = sending();
    make(monitoring, 512);
    await until(() => collector.requests.length === 1);
    make(monitoring, 3000);
    expect(dropped(monitoring, 'otlp_queue_full')).toBe(3000 - 2048);
    collector.answer = (response) => void response.end('{}');
    for (const answer of answers) answer();
    await monitoring.flush();
    expect(collector.spans()).toHaveLength(512 + 2048);
  });
});

describe('a collector', () => {
  test.each([429, 502, 503, 504])('that answers %i gets the batch again', async (status) => {
    const clock = fakeClock();
    collector.answer = (response, request) => void response.writeHead(request < 3 ? status : 200).end('{}');
    const monitoring = sending({}, clock);
    make(monitoring, 2);
    const flushed = monitoring.flush();
    await advanceUntil(clock, () => collector.requests.length === 3);
    await flushed;
    expect(dropped(monitoring, 'otlp_unsent')).toBe(0);
  });
  test.each([400, 401, 404, 413, 500, 501, 302])('that answers %i does not', async (status) => {
    collector.answer = (response) => void response.writeHead(status, { location: '/elsewhere' }).end('no');
    const monitoring = sending();
    make(monitoring, 2);
    await monitoring.flush();
    expect(collector.requests).toHaveLength(1);
    expect(dropped(monitoring, 'otlp_unsent')).toBe(2);
  });
  test.each([
    ['seconds', () => '3'],
    ['a date', (clock: FakeClock) => new Date(Math.ceil(clock.now() / 1000) * 1000 + 3000).toUTCString()],
  ])('is left alone for as long as it asks, in %s', async (_, header) => {
    const clock = fakeClock();
    collector.answer = (response, request) =>
      void (request === 1 ? response.writeHead(429, { 'retry-after': header(clock) }) : response).end('{}');
    const monitoring = sending({ interval: 1 }, clock);
    make(monitoring, 1);
    await advanceUntil(clock, () => collector.requests.length === 1);
    // Its answer has arrived once the only timer left is the one that waits.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await clock.advance(2000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(collector.requests).toHaveLength(1);
    await advanceUntil(clock, () => collector.requests.length === 2);
    expect(dropped(monitoring, 'otlp_unsent')).toBe(0);
  });
  test('that asks for longer than a batch is tried for loses it, and is not asked again', async () => {
    collector.answer = (response) => void response.writeHead(503, { 'retry-after': '3600' }).end();
    const monitoring = sending();
    make(monitoring, 1);
    await monitoring.flush();
    expect(collector.requests).toHaveLength(1);
    expect(dropped(monitoring, 'otlp_unsent')).toBe(1);
  });
  test('that took a part has what it did not take counted', async () => {
    collector.answer = (response) =>
      void response.end(JSON.stringify({ partialSuccess: { rejectedSpans: '3', errorMessage: 'too old' } }));
    const monitoring = sending();
    make(monitoring, 5);
    await monitoring.flush();
    expect(dropped(monitoring, 'otlp_rejected')).toBe(3);
    expect(dropped(monitoring, 'otlp_unsent')).toBe(0);
  });
  test('that is gone is tried for a minute, then the batch is counted; ready() does not mind', async () => {
    const clock = fakeClock();
    await collector.close();
    const monitoring = sending({}, clock);
    await monitoring.ready();
    make(monitoring, 4);
    const startedAt = clock.now();
    void monitoring.flush();
    await advanceUntil(clock, () => dropped(monitoring, 'otlp_unsent') === 4);
    expect(clock.now() - startedAt).toBeGreaterThan(50_000);
  });
  test('that comes back gets what was kept for it', async () => {
    const clock = fakeClock();
    const { port } = new URL(collector.url);
    await collector.close();
    const monitoring = sending({}, clock);
    make(monitoring, 4);
    const flushed = monitoring.flush();
    await advanceUntil(clock, () => clock.now() > 0);
    collector = await otlpReceiver(Number(port));
    await advanceUntil(clock, () => collector.spans().length === 4);
    await flushed;
    expect(dropped(monitoring, 'otlp_unsent')).toBe(0);
  });
  test('that does not answer holds a flush for its time and no longer, and close() counts what is lost', async () => {
    collector.answer = () => undefined;
    const monitoring = sending({ flushTimeout: 50 });
    make(monitoring, 3);
    await monitoring.flush();
    make(monitoring, 2);
    await monitoring.close();
    expect(dropped(monitoring, 'otlp_unsent')).toBe(5);
  });
});

test.each([
  ['endpoint', 'localhost:4318'],
  ['endpoint', 'http://user:secret@localhost'],
  ['tracesEndpoint', 'ftp://localhost'],
  ['metricsEndpoint', 'localhost'],
  ['signals', []],
  ['signals', ['logs']],
  ['headers', { 'a b': 'secret' }],
  ['headers', { a: 'a\nsecret' }],
  ['maxQueue', 0],
  ['maxBatch', 0.5],
])('the option %s cannot be %j', (option, value) => {
  let thrown: unknown;
  try {
    otlp({ [option]: value });
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code: 'E_MONITORING_OPTION', option });
  expect(String((thrown as Error).message)).not.toContain('secret');
});

test('a request that gets no answer ends in its time, and the batch is sent again', async () => {
  const clock = fakeClock();
  collector.answer = (response, request) => void (request > 1 && response.end('{}'));
  const monitoring = sending({ timeout: '2s' }, clock);
  make(monitoring, 1);
  void monitoring.flush();
  await until(() => collector.requests.length === 1);
  await clock.advance(1900);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(collector.requests).toHaveLength(1);
  await advanceUntil(clock, () => collector.requests.length === 2);
  expect(collector.spans().map(({ name }) => name)).toEqual(['s0', 's0']);
});
