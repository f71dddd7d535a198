import { once } from 'node:events';
import { createServer, get, type Server, request as send } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { serve as serveHono } from '@hono/node-server';
import { currentContext, runWithContext } from '@vibeonrails/infra-core';
import { toNodeHandler } from '@vibeonrails/infra-core/http';
import {
  createMonitoring,
  fastifyRoute,
  honoRoute,
  type InstrumentOptions,
  type Monitoring,
  type MonitoringOptions,
  setHttpRoute,
} from '@vibeonrails/infra-monitoring';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { afterEach, describe, expect, test } from 'vitest';
import { until } from './statsd-receiver.ts';

const METRIC = 'http_server_request_duration_seconds';
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function recording(options: MonitoringOptions = {}, how?: InstrumentOptions): Promise<Monitoring> {
  const monitoring = createMonitoring({ env: {}, ...options });
  open.push(() => {
    // Labels that have no value are left out by us: cleaned, each sample would be a slow one.
    expect(monitoring.registry.value('monitoring_cleaned', { reason: 'label_value' })).toBeUndefined();
    return monitoring.close();
  });
  monitoring.instrument(how);
  await monitoring.ready();
  return monitoring;
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The label sets that were recorded. */
const recorded = (monitoring: Monitoring): object[] =>
  monitoring.registry
    .snapshot()
    .filter(({ name }) => name === METRIC)
    .flatMap(({ series }) => series.map(({ labels }) => labels));
const servers = (monitoring: Monitoring) => monitoring.recentSpans().filter(({ kind }) => kind === 'server');

describe('a request to any server of node:http', () => {
  test('makes a server span and a duration, by the names of OpenTelemetry', async () => {
    const monitoring = await recording();
    const url = await listening(createServer((_, response) => void response.writeHead(201).end('ok')));
    await (await fetch(`${url}/users/7?token=secret`, { headers: { 'user-agent': 'test' } })).text();
    await until(() => servers(monitoring).length === 1);
    expect(servers(monitoring)).toMatchObject([
      {
        name: 'GET',
        status: 'unset',
        attributes: {
          'http.request.method': 'GET',
          'http.response.status_code': 201,
          'network.protocol.version': '1.1',
          'server.address': '127.0.0.1',
          'server.port': Number(new URL(url).port),
          'url.path': '/users/7',
          'url.scheme': 'http',
          'user_agent.original': 'test',
        },
      },
    ]);
    expect(recorded(monitoring)).toEqual([
      { http_request_method: 'GET', http_response_status_code: '201', url_scheme: 'http' },
    ]);
    expect(JSON.stringify(monitoring.recentSpans())).not.toContain('secret');
  });

  test('surrounds what the handler calls and awaits, and its body', async () => {
    const monitoring = await recording();
    const seen: (string | undefined)[] = [];
    const url = await listening(
      createServer(async (request, response) => {
        seen.push(currentContext().trace?.spanId);
        for await (const _ of request) seen.push(currentContext().trace?.spanId);
        await new Promise((resolve) => setImmediate(resolve));
        monitoring.withSpan('inner', () => 0);
        seen.push(currentContext().trace?.spanId);
        response.end();
      }),
    );
    await fetch(url, { method: 'POST', body: 'x'.repeat(100_000) });
    await until(() => servers(monitoring).length === 1);
    const [span] = servers(monitoring);
    expect(new Set(seen)).toEqual(new Set([span?.spanId]));
    expect(monitoring.recentSpans().find(({ name }) => name === 'inner')?.parentSpanId).toBe(span?.spanId);
  });

  test('continues the trace, request id and baggage of its caller', async () => {
    const monitoring = await recording();
    let seen = {};
    const url = await listening(
      createServer((_, response) => {
        seen = currentContext();
        response.end();
      }),
    );
    const headers = {
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      tracestate: 'vendor=1',
      'x-request-id': 'r-1',
      baggage: 'tenant=t1',
    };
    // Sent without a context, so that what arrives is what is written here.
    await new Promise((resolve) => get(url, { headers }, (response) => response.resume().on('end', resolve)));
    await until(() => servers(monitoring).length === 1);
    expect(servers(monitoring)).toMatchObject([{ traceId: 'a'.repeat(32), parentSpanId: 'b'.repeat(16) }]);
    expect(seen).toMatchObject({
      requestId: 'r-1',
      baggage: { tenant: 't1' },
      trace: { traceId: 'a'.repeat(32), state: 'vendor=1' },
    });
  });

  test('on a connection that is kept is no child of the one before', async () => {
    const monitoring = await recording({}, { ignorePaths: ['/quiet'] });
    const contexts: (string | undefined)[] = [];
    const url = await listening(
      createServer((_, response) => {
        contexts.push(currentContext().requestId);
        response.end();
      }),
    );
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    open.push(() => socket.destroy());
    for (const [i, path] of ['/a', '/b', '/quiet', '/c'].entries()) {
      socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
      await until(() => contexts.length === i + 1);
    }
    await until(() => servers(monitoring).length === 3);
    expect(contexts[2]).toBeUndefined();
    expect(new Set(contexts).size).toBe(4);
    expect(new Set(servers(monitoring).map(({ traceId }) => traceId)).size).toBe(3);
    expect(servers(monitoring).map(({ parentSpanId }) => parentSpanId)).toEqual(Array(3).fill(undefined));
  });

  test('whose client leaves is recorded as aborted', async () => {
    const monitoring = await recording();
    let arrived = false;
    const url = await listening(
      createServer(() => {
        arrived = true;
      }),
    );
    const request = send(url).on('error', () => undefined);
    request.end();
    await until(() => arrived);
    request.destroy();
    await until(() => servers(monitoring).length === 1);
    expect(servers(monitoring)[0]?.attributes).toMatchObject({ 'error.type': 'aborted' });
    expect(recorded(monitoring)).toEqual([
      { http_request_method: 'GET', url_scheme: 'http', error_type: 'aborted' },
    ]);
  });

  test('of probes and scrapes is not recorded', async () => {
    const monitoring = await recording();
    const url = await listening(createServer((_, response) => void response.end()));
    for (const path of ['/livez', '/readyz?verbose', '/metrics', '/']) await fetch(url + path);
    await until(() => servers(monitoring).length === 1);
    expect(servers(monitoring)[0]?.attributes['url.path']).toBe('/');
  });

  test('is measured without a trace while tracing is off, and what came in is passed on', async () => {
    const monitoring = await recording({ tracing: false });
    let seen = {};
    const url = await listening(
      createServer((_, response) => {
        seen = currentContext();
        response.end();
      }),
    );
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await new Promise((resolve) =>
      get(url, { headers: { traceparent } }, (response) => response.resume().on('end', resolve)),
    );
    await until(() => recorded(monitoring).length === 1);
    expect(seen).toMatchObject({ trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) } });
    expect(monitoring.recentSpans()).toEqual([]);
  });

  test('is recorded no more after stop()', async () => {
    const monitoring = await recording();
    const stop = monitoring.instrument();
    await monitoring.ready();
    stop();
    const url = await listening(createServer((_, response) => void response.end()));
    await (await fetch(url)).text();
    expect(recorded(monitoring)).toEqual([]);
  });
});

test('a message that nobody expected costs the server nothing', async () => {
  const monitoring = await recording();
  const server = createServer((_, response) => void response.end('fine'));
  const url = await listening(server);
  const { channel } = await import('node:diagnostics_channel');
  channel('http.server.request.start').publish({ request: null, response: null });
  expect(await (await fetch(url)).text()).toBe('fine');
  expect(monitoring.registry.value('monitoring_dropped', { reason: 'threw' })).toBe(1);
});

describe('traceHandler() below the server', () => {
  test('adds its route to the span there is, and makes no second one', async () => {
    const monitoring = await recording();
    const handler = monitoring.traceHandler(() => new Response('ok'), { route: '/users/:id' });
    const url = await listening(createServer(toNodeHandler(handler)));
    await (await fetch(`${url}/users/7`)).text();
    await until(() => servers(monitoring).length === 1);
    expect(servers(monitoring)).toMatchObject([{ name: 'GET /users/:id' }]);
    expect(recorded(monitoring)).toMatchObject([{ http_route: '/users/:id' }]);
  });

  test('tells what the handler threw, which the server answered with 500', async () => {
    const monitoring = await recording();
    const handler = monitoring.traceHandler(async () => Promise.reject(new TypeError('no')));
    const url = await listening(createServer(toNodeHandler(handler)));
    expect((await fetch(url)).status).toBe(500);
    await until(() => servers(monitoring).length === 1);
    expect(servers(monitoring)).toMatchObject([
      { status: 'error', error: { type: 'TypeError', message: 'no' } },
    ]);
    expect(recorded(monitoring)).toMatchObject([
      { http_response_status_code: '500', error_type: 'TypeError' },
    ]);
  });
});

describe('the route’s template', () => {
  const routes = async (monitoring: Monitoring, url: string): Promise<unknown> => {
    for (const path of ['/users/7', '/users/8', '/nowhere']) await (await fetch(url + path)).text();
    await until(() => servers(monitoring).length === 3);
    return servers(monitoring).map(({ name }) => name);
  };

  test('is found in Express, also below a router', async () => {
    const monitoring = await recording();
    const app = express();
    const users = express.Router();
    users.get('/:id', async (_, response) => {
      await new Promise((resolve) => setImmediate(resolve));
      response.send('ok');
    });
    app.use('/users', users);
    const url = await listening(createServer(app));
    expect(await routes(monitoring, url)).toEqual(['GET /users/:id', 'GET /users/:id', 'GET']);
    expect(recorded(monitoring)).toMatchObject([
      { http_route: '/users/:id', http_response_status_code: '200' },
      { http_response_status_code: '404' },
    ]);
  });

  test('is told by a hook in Fastify', async () => {
    const monitoring = await recording();
    const app = fastify();
    open.push(() => app.close());
    app.addHook('onRequest', fastifyRoute);
    app.get('/users/:id', async () => 'ok');
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    expect(await routes(monitoring, url)).toEqual(['GET /users/:id', 'GET /users/:id', 'GET']);
  });

  test('is told by a middleware in Hono', async () => {
    const monitoring = await recording();
    const app = new Hono();
    app.use(honoRoute);
    app.get('/users/:id', async (context) => context.text('ok'));
    const server = serveHono({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
    if (!server.listening) await once(server, 'listening');
    open.push(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await routes(monitoring, url)).toEqual(['GET /users/:id', 'GET /users/:id', 'GET']);
  });

  test('can be told by a router of one’s own; outside of a request nothing happens', async () => {
    const monitoring = await recording();
    const url = await listening(
      createServer(async (request, response) => {
        await Promise.resolve();
        if (request.url?.startsWith('/users/')) setHttpRoute('/users/:id');
        runWithContext({ requestId: 'other' }, () => setHttpRoute(undefined));
        response.end();
      }),
    );
    setHttpRoute('/nowhere');
    expect(await routes(monitoring, url)).toEqual(['GET /users/:id', 'GET /users/:id', 'GET']);
  });
});
