import { currentContext, type InfraContext } from '@vibeonrails/infra-core';
import { serve } from '@vibeonrails/infra-core/http';
import { createMonitoring, type Monitoring } from '@vibeonrails/infra-monitoring';
import { afterEach, beforeEach, expect, test } from 'vitest';

let monitoring: Monitoring;
beforeEach(() => {
  monitoring = createMonitoring({ env: {} });
});
afterEach(() => monitoring.close());

const METRIC = 'http_server_request_duration_seconds';
/** The labels of one series, as OpenTelemetry names them. */
const labels = (method: string, status: number, route?: string, error?: string) => ({
  http_request_method: method,
  http_response_status_code: status,
  http_route: route,
  url_scheme: 'https',
  error_type: error,
});
const request = (headers: Record<string, string> = {}, method = 'GET'): Request =>
  new Request('https://shop.example/users/7?token=secret', { method, headers });

test('a request makes a server span and a duration by route', async () => {
  const handler = monitoring.traceHandler(async () => new Response('', { status: 201 }), {
    route: '/users/:id',
  });
  expect((await handler(request())).status).toBe(201);
  expect(monitoring.recentSpans()).toMatchObject([
    {
      name: 'GET /users/:id',
      kind: 'server',
      status: 'unset',
      parentSpanId: undefined,
      attributes: {
        'http.request.method': 'GET',
        'http.response.status_code': 201,
        'http.route': '/users/:id',
        'server.address': 'shop.example',
        'url.path': '/users/7',
        'url.scheme': 'https',
      },
    },
  ]);
  expect(monitoring.registry.value(METRIC, labels('GET', 201, '/users/:id'))).toBe(1);
});

test('the query appears nowhere, and without a route the path is no label', async () => {
  await monitoring.traceHandler(() => new Response())(request());
  expect(JSON.stringify(monitoring.recentSpans())).not.toContain('secret');
  expect(monitoring.recentSpans()[0]?.name).toBe('GET');
  expect(monitoring.registry.value(METRIC, labels('GET', 200))).toBe(1);
});

test('the route can be worked out from the request; one that throws is none', async () => {
  const routes = {
    route: (incoming: Request) => (incoming.url.includes('/users/') ? '/users/:id' : undefined),
  };
  await monitoring.traceHandler(() => new Response(), routes)(request());
  await monitoring.traceHandler(() => new Response(), {
    route: () => {
      throw new Error('no');
    },
  })(request());
  expect(monitoring.recentSpans().map(({ name }) => name)).toEqual(['GET /users/:id', 'GET']);
});

test('the caller’s trace, request id and baggage go on', async () => {
  let context: InfraContext = {};
  await monitoring.traceHandler(() => {
    context = currentContext();
    return new Response();
  })(
    request({
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      tracestate: 'vendor=1',
      'x-request-id': 'r-1',
      baggage: 'tenant=t1',
    }),
  );
  const [span] = monitoring.recentSpans();
  expect(span).toMatchObject({ traceId: 'a'.repeat(32), parentSpanId: 'b'.repeat(16) });
  expect(context).toMatchObject({
    trace: { traceId: 'a'.repeat(32), spanId: span?.spanId, sampled: true, state: 'vendor=1' },
    requestId: 'r-1',
    baggage: { tenant: 't1' },
  });
});

test('a caller who left the trace out is followed', async () => {
  await monitoring.traceHandler(() => new Response())(
    request({ traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00` }),
  );
  expect(monitoring.recentSpans()).toEqual([]);
  expect(monitoring.registry.value(METRIC, labels('GET', 200))).toBe(1);
});

test('a request without an id gets one of its own, and none of what surrounds the server', async () => {
  const ids: (string | undefined)[] = [];
  const handler = monitoring.traceHandler(() => {
    ids.push(currentContext().requestId);
    return new Response();
  });
  await monitoring.withSpan('surrounding', async () => {
    await handler(request());
    await handler(request({ traceparent: 'nonsense', 'x-request-id': 'bad id' }));
  });
  expect(new Set(ids).size).toBe(2);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/);
  const [first, second, outer] = monitoring.recentSpans();
  expect([first?.parentSpanId, second?.parentSpanId]).toEqual([undefined, undefined]);
  expect(first?.traceId).not.toBe(outer?.traceId);
});

test('a handler that throws is a 500 and an error, and the throw goes on', async () => {
  const failure = new Error('no');
  const thrown = monitoring.traceHandler(() => {
    throw failure;
  });
  expect(() => thrown(request())).toThrow(failure);
  await expect(monitoring.traceHandler(async () => Promise.reject(failure))(request())).rejects.toBe(failure);
  expect(monitoring.recentSpans()).toMatchObject(
    Array(2).fill({
      status: 'error',
      error: { message: 'no' },
      attributes: { 'http.response.status_code': 500 },
    }),
  );
  expect(monitoring.registry.value(METRIC, labels('GET', 500, undefined, 'Error'))).toBe(2);
});

test('a 5xx answer is an error of the server, a 4xx is not', async () => {
  for (const status of [404, 503])
    await monitoring.traceHandler(() => new Response('', { status }))(request());
  expect(monitoring.recentSpans().map(({ status }) => status)).toEqual(['unset', 'error']);
});

test('methods nobody defined share one name', async () => {
  for (const method of ['FOO', 'BAR'])
    await monitoring.traceHandler(() => new Response())(request({}, method));
  expect(monitoring.registry.value(METRIC, labels('_OTHER', 200))).toBe(2);
});

test('a plain answer stays plain', () => {
  const answer = monitoring.withHttpSpan(request(), () => new Response('x'));
  expect(answer).toBeInstanceOf(Response);
});

test('it serves over HTTP, many requests at once, each in a trace of its own', async () => {
  const server = await serve(
    monitoring.traceHandler(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return new Response(currentContext().trace?.traceId);
    }),
  );
  try {
    const bodies = await Promise.all(
      Array.from({ length: 20 }, async () => (await fetch(server.url)).text()),
    );
    expect(new Set(bodies)).toEqual(new Set(monitoring.recentSpans().map(({ traceId }) => traceId)));
    expect(new Set(bodies).size).toBe(20);
  } finally {
    await server.close();
  }
});
