import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { shutdown } from '@vibeonrails/infra-core';
import { serve, toNodeHandler } from '@vibeonrails/infra-core/http';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  createHealth,
  type HealthHandlerOptions,
  healthHandler,
  markStarted,
  registerHealthCheck,
} from '../src/index.ts';

beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
afterEach(resetInfra);

const get = async (path: string, options: HealthHandlerOptions = {}, init: RequestInit = {}) =>
  healthHandler(options)(new Request(`http://localhost${path}`, init));
const down = () => {
  throw new Error('connection refused');
};

test.each(['/livez', '/readyz', '/health'])('%s is 200 where nothing is registered', async (path) => {
  const response = await get(path);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(await response.json()).toEqual({ status: 'ok' });
});

test('each endpoint asks for its own group', async () => {
  registerHealthCheck('database', down);
  const codes = async () =>
    Promise.all(['/livez', '/readyz', '/startupz', '/health'].map(async (path) => (await get(path)).status));
  expect(await codes()).toEqual([200, 503, 503, 503]);
  markStarted();
  expect(await codes()).toEqual([200, 503, 200, 503]);
  registerHealthCheck('loop', down, { groups: ['live'] });
  expect(await codes()).toEqual([503, 503, 200, 503]);
});

test('degraded is 200', async () => {
  registerHealthCheck('search', down, { critical: false });
  const response = await get('/readyz');
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ status: 'degraded' });
});

test('a shutdown makes it not ready before anything is closed, while it stays live', async () => {
  const { onShutdown } = await import('@vibeonrails/infra-core');
  const seen: number[] = [];
  onShutdown(
    'probe',
    async () => void seen.push((await get('/readyz')).status, (await get('/livez')).status),
    {
      phase: 'drain',
    },
  );
  expect((await get('/readyz')).status).toBe(200);
  await shutdown('test');
  expect(seen).toEqual([503, 200]);
});

test.each(['/ops/readyz', '/a/b/readyz', '/readyz/', '/readyz?verbose', '//readyz'])(
  '%s is the endpoint',
  async (path) => {
    expect((await get(path)).status).toBe(200);
  },
);

test.each(['/', '/ready', '/readyz/x', '/readyzz', '/constructor', '/READYZ'])('%s is 404', async (path) => {
  const response = await get(path);
  expect(response.status).toBe(404);
  expect(response.headers.get('cache-control')).toBe('no-store');
});

test('HEAD is answered like GET, without a body', async () => {
  registerHealthCheck('database', down);
  const response = await get('/readyz', { details: 'always' }, { method: 'HEAD' });
  expect([response.status, await response.text()]).toEqual([503, '']);
});

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is 405 and says what is allowed', async (method) => {
  const check = vi.fn(() => ({ status: 'ok' as const }));
  registerHealthCheck('database', check);
  const response = await get('/readyz', {}, { method });
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  expect(check).not.toHaveBeenCalled();
});

test('details are hidden unless asked for', async () => {
  registerHealthCheck('database', down);
  expect(await (await get('/health')).json()).toEqual({ status: 'error' });
  expect(await (await get('/health', { details: 'never' })).json()).toEqual({ status: 'error' });
  expect(await (await get('/health', { details: 'always' })).json()).toMatchObject({
    status: 'error',
    checks: [{ name: 'database', message: 'connection refused' }],
  });
});

test('a function decides who sees details', async () => {
  registerHealthCheck('database', down);
  const details = (request: Request) => request.headers.get('authorization') === 'Bearer ops';
  const body = async (headers: Record<string, string>) =>
    (await get('/health', { details }, { headers })).json();
  expect(await body({})).toEqual({ status: 'error' });
  expect(await body({ authorization: 'Bearer ops' })).toHaveProperty('checks');
});

test.each([
  ['throws', down],
  ['rejects', () => Promise.reject(new Error('no'))],
  ['answers something else than true', () => 'yes' as never],
])('details stay hidden where that function %s', async (_, details) => {
  registerHealthCheck('database', down);
  const response = await get('/health', { details });
  expect([response.status, await response.json()]).toEqual([503, { status: 'error' }]);
});

test('health+json answers in the words of its draft', async () => {
  registerHealthCheck('database', () => ({ status: 'ok', data: { pool: 3 } }));
  registerHealthCheck('search', down, { critical: false });
  const response = await get('/health', { format: 'health+json', details: 'always' });
  expect(response.headers.get('content-type')).toBe('application/health+json');
  expect(await response.json()).toEqual({
    status: 'warn',
    checks: {
      database: [{ status: 'pass', time: expect.any(String), observedValue: { pool: 3 } }],
      search: [{ status: 'fail', time: expect.any(String), output: 'connection refused' }],
    },
  });
  expect(await (await get('/health', { format: 'health+json' })).json()).toEqual({ status: 'warn' });
  expect(await (await get('/startupz', { format: 'health+json', details: 'always' })).json()).toEqual({
    status: 'fail',
    output: 'starting: markStarted() was not called yet',
    checks: {},
  });
});

test('a registry of one’s own is served', async () => {
  const health = createHealth();
  health.register('database', down);
  expect((await get('/readyz', { health })).status).toBe(503);
  expect((await get('/readyz')).status).toBe(200);
});

test('it serves node:http', async () => {
  registerHealthCheck('database', down);
  const server = createServer(toNodeHandler(healthHandler({ details: 'always' })));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const response = await fetch(`http://127.0.0.1:${port}/ops/readyz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ checks: [{ message: 'connection refused' }] });
    expect((await fetch(`http://127.0.0.1:${port}/readyz`, { method: 'HEAD' })).status).toBe(503);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('a client that goes away does not end the check for the next one', async () => {
  const check = vi.fn();
  let resolve: (result: { status: 'ok' }) => void = () => undefined;
  const promise = new Promise<{ status: 'ok' }>((done) => {
    resolve = done;
  });
  const slow = () => {
    check();
    return promise;
  };
  registerHealthCheck('slow', slow, { timeout: '30s' });
  const arrived = vi.fn();
  const handler = healthHandler();
  const server = await serve((request) => {
    const response = handler(request);
    arrived();
    return response;
  });
  try {
    const gone = new AbortController();
    const first = fetch(`${server.url}/readyz`, { signal: gone.signal }).catch(() => 'gone');
    await vi.waitFor(() => expect(arrived).toHaveBeenCalledTimes(1), { timeout: 15_000 });
    gone.abort();
    expect(await first).toBe('gone');
    const second = fetch(`${server.url}/readyz`);
    await vi.waitFor(() => expect(arrived).toHaveBeenCalledTimes(2), { timeout: 15_000 });
    resolve({ status: 'ok' });
    expect((await second).status).toBe(200);
    expect(check).toHaveBeenCalledTimes(1);
  } finally {
    await server.close(0);
  }
});
