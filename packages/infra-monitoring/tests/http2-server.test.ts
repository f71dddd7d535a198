import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { currentContext } from '@vibeonrails/infra-core';
import { createMonitoring, type Monitoring, setHttpRoute } from '@vibeonrails/infra-monitoring';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from './statsd-receiver.ts';

let monitoring: Monitoring;
let server: Http2Server;
let client: ClientHttp2Session;
beforeEach(async () => {
  monitoring = createMonitoring({ env: {} });
  monitoring.instrument();
  await monitoring.ready();
  server = createServer();
  // As Node 22.17 and later do by themselves, before anybody sees the stream.
  server.on('stream', (stream, headers) => channel('http2.server.stream.start').publish({ stream, headers }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterEach(async () => {
  client.destroy();
  server.close();
  await monitoring.close();
});

const serving = (handle: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => unknown): void =>
  void server.on('stream', handle);
const spans = () => monitoring.recentSpans().filter(({ kind }) => kind === 'server');
const series = (): object[] =>
  monitoring.registry
    .snapshot()
    .filter(({ name }) => name === 'http_server_request_duration_seconds')
    .flatMap((metric) => metric.series.map(({ labels }) => labels));

test('a stream is a request: a server span under its caller, and a duration', async () => {
  let inside: string | undefined;
  serving(async (stream) => {
    await new Promise((resolve) => setImmediate(resolve));
    inside = currentContext().trace?.spanId;
    setHttpRoute('/users/:id');
    stream.respond({ ':status': 201 });
    stream.end('ok');
  });
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  client
    .request({ ':method': 'POST', ':path': '/users/7?token=secret', traceparent, 'user-agent': 'test' })
    .resume()
    .end();
  await until(() => spans().length === 1);
  const [span] = spans();
  expect(span).toMatchObject({
    name: 'POST /users/:id',
    traceId: 'a'.repeat(32),
    parentSpanId: 'b'.repeat(16),
    status: 'unset',
    attributes: {
      'http.request.method': 'POST',
      'http.response.status_code': 201,
      'http.route': '/users/:id',
      'network.protocol.version': '2',
      'server.address': '127.0.0.1',
      'url.path': '/users/7',
      'url.scheme': 'http',
      'user_agent.original': 'test',
    },
  });
  expect(inside).toBe(span?.spanId);
  expect(JSON.stringify(span)).not.toContain('secret');
  expect(series()).toEqual([
    {
      http_request_method: 'POST',
      http_response_status_code: '201',
      http_route: '/users/:id',
      url_scheme: 'http',
    },
  ]);
});

test('streams of one connection are requests of their own, at the same time', async () => {
  const seen = new Map<string, string | undefined>();
  serving(async (stream, headers) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    seen.set(String(headers[':path']), currentContext().trace?.spanId);
    stream.respond({ ':status': 200 });
    stream.end();
  });
  for (const path of ['/a', '/b', '/c']) client.request({ ':path': path }).resume().end();
  await until(() => spans().length === 3);
  for (const { spanId, attributes, parentSpanId } of spans()) {
    expect(seen.get(String(attributes['url.path']))).toBe(spanId);
    expect(parentSpanId).toBeUndefined();
  }
});

test('a client that leaves is recorded as aborted, a status of 500 as an error, a probe not at all', async () => {
  serving((stream, headers) => {
    stream.on('error', () => undefined);
    if (headers[':path'] === '/slow') {
      stream.respond({ ':status': 200 });
      stream.write('a part');
      return;
    }
    stream.respond({ ':status': headers[':path'] === '/broken' ? 500 : 200 });
    stream.end();
  });
  const slow = client.request({ ':path': '/slow' });
  slow.on('error', () => undefined);
  slow.on('data', () => slow.destroy());
  client.request({ ':path': '/livez' }).resume().end();
  client.request({ ':path': '/broken' }).resume().end();
  await until(() => spans().length === 2);
  const facts = spans().map(({ attributes, status }) => [
    attributes['url.path'],
    attributes['error.type'],
    status,
  ]);
  expect(new Map(facts.map((fact) => [fact[0], fact]))).toEqual(
    new Map([
      ['/slow', ['/slow', 'aborted', 'unset']],
      ['/broken', ['/broken', '500', 'error']],
    ]),
  );
});
