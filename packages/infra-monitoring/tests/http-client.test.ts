import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, get, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runWithContext } from '@vibeonrails/infra-core';
import {
  createMonitoring,
  type InstrumentOptions,
  type Monitoring,
  otlp,
} from '@vibeonrails/infra-monitoring';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { otlpReceiver } from './otlp-receiver.ts';
import { until } from './statsd-receiver.ts';

const METRIC = 'http_client_request_duration_seconds';
let url: string;
let received: IncomingHttpHeaders[];
let status: number;
const open: (() => unknown)[] = [];
beforeEach(async () => {
  received = [];
  status = 200;
  const server = createServer((incoming, response) => {
    received.push(incoming.headers);
    if (status === 0) incoming.socket.destroy();
    else response.writeHead(status).end('ok');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => {
    server.closeAllConnections();
    server.close();
  });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function recording(how: InstrumentOptions = {}, exporters = [] as const): Promise<Monitoring> {
  const monitoring = createMonitoring({ env: {}, exporters });
  open.push(() => {
    // Labels that have no value are left out by us: cleaned, each sample would be a slow one.
    expect(monitoring.registry.value('monitoring_cleaned', { reason: 'label_value' })).toBeUndefined();
    return monitoring.close();
  });
  // The server here is somebody else's.
  monitoring.instrument({ except: ['http.server'], ...how });
  await monitoring.ready();
  return monitoring;
}
const clients = (monitoring: Monitoring) => monitoring.recentSpans().filter(({ kind }) => kind === 'client');
const series = (monitoring: Monitoring): object[] =>
  monitoring.registry
    .snapshot()
    .filter(({ name }) => name === METRIC)
    .flatMap((metric) => metric.series.map(({ labels }) => labels));

test('fetch makes a client span below the current one, and carries it along', async () => {
  const monitoring = await recording();
  await monitoring.withSpan('work', () =>
    runWithContext({ requestId: 'r-1', baggage: { tenant: 't1' } }, async () => {
      await (await fetch(`${url}/users/7?token=secret`)).text();
    }),
  );
  const [span] = clients(monitoring);
  const work = monitoring.recentSpans().find(({ name }) => name === 'work');
  const port = Number(new URL(url).port);
  expect(span).toMatchObject({
    name: 'GET',
    parentSpanId: work?.spanId,
    attributes: {
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': port,
      'url.full': `${url}/users/7`,
    },
  });
  expect(received[0]).toMatchObject({
    traceparent: `00-${span?.traceId}-${span?.spanId}-01`,
    'x-request-id': 'r-1',
    baggage: 'tenant=t1',
  });
  expect(series(monitoring)).toEqual([
    {
      http_request_method: 'GET',
      http_response_status_code: '200',
      server_address: '127.0.0.1',
      server_port: String(port),
    },
  ]);
});

test('a traceparent that the application wrote stays as it is', async () => {
  await recording();
  const own = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  await (await fetch(url, { headers: { traceparent: own } })).text();
  expect(received[0]?.traceparent).toBe(own);
});

test('nothing goes to servers that are left out', async () => {
  const monitoring = await recording({ propagate: (to) => to.hostname !== '127.0.0.1' });
  await (await fetch(url)).text();
  expect(received[0]?.traceparent).toBeUndefined();
  expect(clients(monitoring)).toHaveLength(1);
});

test('node:http makes a client span too', async () => {
  const monitoring = await recording();
  await monitoring.withSpan('work', async () => {
    const [response] = await once(get(`${url}/a?b=c`), 'response');
    response.resume();
    await once(response, 'end');
  });
  await until(() => clients(monitoring).length === 1);
  const work = monitoring.recentSpans().find(({ name }) => name === 'work');
  expect(clients(monitoring)).toMatchObject([
    {
      parentSpanId: work?.spanId,
      attributes: { 'url.full': `${url}/a`, 'http.response.status_code': 200 },
    },
  ]);
});

test('node:http carries the trace along where Node announces a request in time', async () => {
  const monitoring = await recording();
  const outgoing = request(url);
  // As Node 22 does by itself.
  channel('http.client.request.created').publish({ request: outgoing });
  outgoing.end();
  const [response] = await once(outgoing, 'response');
  response.resume();
  await until(() => clients(monitoring).length === 1);
  const [span] = clients(monitoring);
  expect(received[0]?.traceparent).toBe(`00-${span?.traceId}-${span?.spanId}-01`);
});

test('an answer of 400 or more is an error of the client', async () => {
  const monitoring = await recording();
  for (status of [404, 503]) await (await fetch(url)).text();
  expect(clients(monitoring)).toMatchObject([
    { status: 'error', attributes: { 'error.type': '404' } },
    { status: 'error', attributes: { 'error.type': '503' } },
  ]);
});

test.each([
  ['fetch', () => fetch(url)],
  ['node:http', () => once(get(url), 'response')],
])('a connection that breaks is an error with its code, in %s', async (_, call) => {
  const monitoring = await recording();
  status = 0;
  await expect(call()).rejects.toThrow();
  await until(() => clients(monitoring).length === 1);
  expect(clients(monitoring)).toMatchObject([
    { status: 'error', error: { type: expect.stringMatching(/^(UND_ERR_SOCKET|ECONNRESET)$/) } },
  ]);
  expect(series(monitoring)).toMatchObject([{ error_type: expect.any(String) }]);
});

test('what is sent to a collector makes no span, whoever’s work it was sent from', async () => {
  const collector = await otlpReceiver();
  open.push(() => collector.close());
  const monitoring = createMonitoring({ env: {}, exporters: [otlp({ endpoint: collector.url })] });
  open.push(() => monitoring.close());
  monitoring.instrument();
  await monitoring.ready();
  await monitoring.withSpan('work', () => monitoring.withSpan('inner', () => monitoring.flush()));
  await monitoring.flush();
  expect(collector.spans().map(({ name }) => name)).toEqual(['inner', 'work']);
  expect(collector.requests[0]?.headers.traceparent).toBeUndefined();
  expect(clients(monitoring)).toEqual([]);
});
