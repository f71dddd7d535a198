import { execFile } from 'node:child_process';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { promisify } from 'node:util';
import type { HealthResult } from '@vibeonrails/infra-core';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHealth, disk, eventLoop, http, memory, tcp } from '../src/index.ts';

beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
const servers = new Set<Server>();
afterEach(() => {
  resetInfra();
  for (const server of servers) server.close();
  servers.clear();
});

/** For what a socket decides. */
const patient = { timeout: 15_000 };

const ask = (check: Parameters<ReturnType<typeof createHealth>['register']>[1]): Promise<HealthResult> =>
  Promise.resolve(check({ signal: AbortSignal.timeout(30_000) }));

async function listen<S extends Server>(server: S): Promise<number> {
  servers.add(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A port on which nothing listens. */
async function deadPort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  servers.delete(server);
  return port;
}

test('disk compares the used share with its limits, and agrees with df', async () => {
  const seen = await ask(disk({ degradedAt: 1.1, errorAt: 1.1 }));
  const { stdout } = await promisify(execFile)('df', ['-P', '.']);
  const percent = Number(/(\d+)%/.exec(stdout)?.[1]);
  expect(seen).toMatchObject({ status: 'ok', data: { path: '.' } });
  // df rounds up, and others write meanwhile.
  expect(Math.abs(Number(seen.data?.usedPercent) - percent)).toBeLessThanOrEqual(2);
  expect((await ask(disk({ degradedAt: 0 }))).status).toBe('degraded');
  expect((await ask(disk({ errorAt: 0 }))).status).toBe('error');
});

test('disk has an answer for a file system without a size', async () => {
  expect(await ask(disk({ path: '/proc' }))).toMatchObject({ status: 'ok', data: { usedPercent: 0 } });
});

test('disk of a path that is not there is an error that names it', async () => {
  const health = createHealth();
  health.register('disk', disk({ path: '/no/such/path' }));
  expect((await health.check()).checks[0]).toMatchObject({
    status: 'error',
    message: expect.stringContaining('/no/such/path'),
  });
});

test('memory compares what the process takes with what it may take', async () => {
  const seen = await ask(memory({ degradedAt: 0.99, errorAt: 0.99 }));
  expect(seen.status).toBe('ok');
  expect(Number(seen.data?.rssBytes)).toBeGreaterThan(10 * 2 ** 20);
  expect(Number(seen.data?.limitBytes)).toBeGreaterThan(Number(seen.data?.rssBytes));
  const rss = process.memoryUsage.rss();
  const half = memory({ limitBytes: rss * 2, degradedAt: 0.2, errorAt: 0.9 });
  expect((await ask(half)).status).toBe('degraded');
  expect((await ask(memory({ limitBytes: rss / 4 }))).status).toBe('error');
});

test('memory counts the heap against its own limit', async () => {
  const { heapUsed } = process.memoryUsage();
  expect(heapUsed).toBeGreaterThan(0);
  const seen = await ask(memory({ limitBytes: Number.MAX_SAFE_INTEGER, degradedAt: 1e-6, errorAt: 1 }));
  expect(seen.status).toBe('degraded');
});

test('eventLoop sees a stall that has only just ended', async () => {
  const check = eventLoop({ degradedAt: '100ms', errorAt: '1h' });
  await ask(check);
  for (const end = Date.now() + 300; Date.now() < end; );
  const stalled = await ask(check);
  expect(stalled.status).toBe('degraded');
  expect(Number(stalled.data?.longestMs)).toBeGreaterThanOrEqual(250);
});

/** Holds the time that stalls are measured by. */
function heldTime() {
  let now = 1000;
  const asked = vi.spyOn(performance, 'now').mockImplementation(() => now);
  return {
    advance(ms: number) {
      now += ms;
    },
    /** Resolves after a timer has asked for the time. */
    sampled: () => {
      const before = asked.mock.calls.length;
      return vi.waitFor(() => expect(asked.mock.calls.length).toBeGreaterThan(before), { timeout: 15_000 });
    },
  };
}

test('eventLoop tells of a stall once', async () => {
  const time = heldTime();
  const check = eventLoop();
  expect(await ask(check)).toMatchObject({ status: 'ok', data: { longestMs: 0 } });
  time.advance(520);
  expect(await ask(check)).toMatchObject({ status: 'degraded', data: { longestMs: 500 } });
  time.advance(20);
  expect(await ask(check)).toMatchObject({ status: 'ok', data: { longestMs: 0 } });
});

test('eventLoop remembers a stall between two questions', async () => {
  const time = heldTime();
  const check = eventLoop();
  await ask(check);
  time.advance(2520);
  await time.sampled();
  time.advance(20);
  await time.sampled();
  expect(await ask(check)).toMatchObject({ status: 'error', data: { longestMs: 2500 } });
});

test('eventLoop does not keep the process alive', async () => {
  const code = `import { eventLoop } from '@vibeonrails/infra-health'; await eventLoop()({ signal: AbortSignal.abort() });`;
  const args = [
    '--import',
    'tsx',
    '--conditions',
    '@vibeonrails/infra-source',
    '--input-type=module',
    '--eval',
    code,
  ];
  const cwd = new URL('..', import.meta.url);
  await expect(promisify(execFile)(process.execPath, args, { cwd, timeout: 30_000 })).resolves.toBeDefined();
}, 40_000);

test('tcp connects to a server that is there', async () => {
  const closed = vi.fn();
  const port = await listen(createServer((socket) => socket.on('close', closed).resume()));
  expect(await ask(tcp({ port }))).toEqual({
    status: 'ok',
    message: `127.0.0.1:${port} accepts connections`,
  });
  await vi.waitFor(() => expect(closed).toHaveBeenCalledTimes(1), patient);
});

test('tcp is an error where nothing listens, and says where', async () => {
  const port = await deadPort();
  const health = createHealth({ timeout: '15s' });
  health.register('tcp', tcp({ port }));
  expect((await health.check()).checks[0]).toMatchObject({
    status: 'error',
    message: `connect ECONNREFUSED 127.0.0.1:${port}`,
  });
});

test('tcp gives up with its signal', async () => {
  // A name that needs an answer from the network; the signal is aborted before that can come.
  await expect(tcp({ host: 'localhost', port: 9 })({ signal: AbortSignal.abort() })).rejects.toThrow();
});

test('http is ok for 200 to 299, follows redirects, and sends its headers', async () => {
  const server = createHttpServer((request, response) => {
    const code = Number(request.headers['x-code'] ?? 200);
    if (request.url === '/old') return response.writeHead(301, { location: '/new' }).end();
    response.writeHead(code).end('x'.repeat(100_000));
  });
  const url = `http://127.0.0.1:${await listen(server)}`;
  expect(await ask(http(url))).toEqual({ status: 'ok', message: 'answered 200', data: { code: 200 } });
  expect((await ask(http(`${url}/old`))).status).toBe('ok');
  expect(await ask(http(new URL(url), { headers: { 'x-code': '503' } }))).toMatchObject({
    status: 'error',
    message: 'answered 503',
  });
  expect((await ask(http(url, { headers: { 'x-code': '404' }, expect: (code) => code < 500 }))).status).toBe(
    'ok',
  );
  server.closeAllConnections();
});

test('http that gets no answer is an error after the timeout, and hangs up', async () => {
  const hungUp = vi.fn();
  const server = createHttpServer((request) => request.on('close', hungUp));
  const health = createHealth({ timeout: 150 });
  health.register('api', http(`http://127.0.0.1:${await listen(server)}`));
  expect((await health.check()).checks[0]).toMatchObject({
    status: 'error',
    message: 'did not answer within 150 ms',
  });
  await vi.waitFor(() => expect(hungUp).toHaveBeenCalled(), patient);
});

test('http to where nothing listens is an error that says why', async () => {
  const health = createHealth({ timeout: '15s' });
  health.register('api', http(`http://127.0.0.1:${await deadPort()}`));
  expect((await health.check()).checks[0]).toMatchObject({
    status: 'error',
    message: expect.stringContaining('ECONNREFUSED'),
  });
});
