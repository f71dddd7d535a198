import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve, toNodeHandler } from '@vibeonrails/infra-core/http';
import { createMonitoring, type Monitoring } from '@vibeonrails/infra-monitoring';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseScrape } from './scrape-parser.ts';

let monitoring: Monitoring;
beforeEach(() => {
  monitoring = createMonitoring({ env: {} });
  monitoring.increment('jobs', 2);
});
afterEach(() => monitoring.close());

const request = (headers: Record<string, string> = {}, method = 'GET'): Request =>
  new Request('http://localhost/metrics', { method, headers });
const TEXT = 'text/plain; version=0.0.4; charset=utf-8';
const OPEN = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

test('serves Prometheus text to who asks for nothing in particular', async () => {
  const response = await monitoring.metricsHandler()(request());
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe(TEXT);
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(await response.text()).toBe('# TYPE jobs_total counter\njobs_total 2\n');
});

test.each([
  [
    OPEN,
    'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
  ],
  [
    OPEN,
    'application/openmetrics-text; version=1.0.0; escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.2',
  ],
  [OPEN, 'Application/OpenMetrics-Text; Version="1.0.0"'],
  [OPEN, 'application/openmetrics-text'],
  [OPEN, 'text/plain;q=0.5,application/openmetrics-text;q=0.5'],
  [TEXT, 'application/openmetrics-text;version=0.0.1;q=0.9,text/plain;q=0.5'],
  [TEXT, 'application/openmetrics-text;q=0.3,text/plain;q=0.5'],
  [TEXT, 'application/openmetrics-text;q=0'],
  [TEXT, 'application/openmetrics-text;q=x'],
  [TEXT, '*/*'],
  [TEXT, ';;,,q=1'],
])('answers with %s to Accept: %s', async (type, accept) => {
  const response = await monitoring.metricsHandler()(request({ accept }));
  expect(response.headers.get('content-type')).toBe(type);
  expect((await response.text()).endsWith('# EOF\n')).toBe(type === OPEN);
});

test('answers HEAD without a body and other methods with 405', async () => {
  const handler = monitoring.metricsHandler();
  const head = await handler(request({}, 'HEAD'));
  expect([head.status, await head.text()]).toEqual([200, '']);
  const post = await handler(request({}, 'POST'));
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('asks for the token where there is one', async () => {
  const handler = monitoring.metricsHandler({ token: 's3cret' });
  for (const authorization of ['', 'Bearer', 'Bearer s3cre', 'Bearer s3cret2', 's3cret', 'Basic s3cret']) {
    const response = await handler(request({ authorization }));
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect(await response.text()).not.toContain('jobs');
  }
  expect((await handler(request())).status).toBe(401);
  expect((await handler(request({ authorization: 'Bearer s3cret' }))).status).toBe(200);
  expect((await handler(request({ authorization: 'bearer s3cret' }))).status).toBe(200);
});

test('refuses an empty token, which would let everybody in', () => {
  expect(() => monitoring.metricsHandler({ token: '' })).toThrow(
    expect.objectContaining({ code: 'E_MONITORING_TOKEN' }),
  );
});

test('is scraped over HTTP', async () => {
  const server = await serve(monitoring.metricsHandler());
  try {
    const response = await fetch(server.url, { headers: { accept: OPEN } });
    expect(parseScrape(await response.text(), 'openmetrics')).toMatchObject([
      { name: 'jobs', samples: [{ value: 2 }] },
    ]);
  } finally {
    await server.close();
  }
});

test('is scraped from a server of Node, beside other routes', async () => {
  const metrics = toNodeHandler(monitoring.metricsHandler());
  const server = createServer((req, res) =>
    req.url === '/metrics' ? metrics(req, res) : res.end('the shop'),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, TEXT]);
    expect(await response.text()).toBe('# TYPE jobs_total counter\njobs_total 2\n');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('stops rendering when the scraper goes away', async () => {
  for (let id = 0; id < 1000; id += 1)
    for (const name of ['a_ms', 'b_ms', 'c_ms']) monitoring.observe(name, 1, { id });
  const reader = (await monitoring.metricsHandler()(request())).body?.getReader();
  expect((await reader?.read())?.done).toBe(false);
  await reader?.cancel();
  expect((await reader?.read())?.done).toBe(true);
});
