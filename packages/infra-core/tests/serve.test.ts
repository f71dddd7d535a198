import { once } from 'node:events';
import { Agent, get as httpGet, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type FetchHandler, type RunningServer, serve } from '../src/http.ts';

const hello: FetchHandler = () => new Response('hello');

async function start(handler: FetchHandler = hello): Promise<RunningServer> {
  const server = await serve(handler);
  onTestFinished(() => server.close(0));
  return server;
}

async function timed(work: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work;
  return performance.now() - startedAt;
}

test('it listens on a free port of this machine alone unless told otherwise', async () => {
  const server = await start();
  expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
  expect(await (await fetch(server.url)).text()).toBe('hello');
});

test('an IPv6 address is bracketed in its URL', async () => {
  const server = await serve(hello, { hostname: '::1' });
  onTestFinished(() => server.close(0));
  expect(server.url).toBe(`http://[::1]:${server.port}`);
});

test('a port that is taken is refused with a code', async () => {
  const server = await start();
  await expect(serve(hello, { port: server.port })).rejects.toMatchObject({
    code: 'E_LISTEN',
    message: expect.stringContaining(`127.0.0.1:${server.port}: the port is taken`),
  });
});

test.each([{ port: 70_000 }, { hostname: '203.0.113.1' }])('%o cannot be listened on', async (options) => {
  await expect(serve(hello, options)).rejects.toMatchObject({ code: 'E_LISTEN' });
});

test('idle keep-alive connections, and those that never spoke, do not delay close', async () => {
  const server = await start();
  const agent = new Agent({ keepAlive: true });
  const silent = connect(server.port, '127.0.0.1');
  silent.on('error', () => undefined);
  onTestFinished(() => {
    agent.destroy();
    silent.destroy();
  });
  await once(silent, 'connect');
  const [answer] = (await once(httpGet(server.url, { agent }), 'response')) as [IncomingMessage];
  answer.resume();
  await once(answer, 'end');
  expect(await timed(server.close('10s'))).toBeLessThan(1000);
});

test('an answer under way arrives in full, and its keep-alive connection closes after it', async () => {
  let finish: () => void = () => undefined;
  const server = await start(
    () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode('first '));
            finish = () => {
              controller.enqueue(new TextEncoder().encode('last'));
              controller.close();
            };
          },
        }),
      ),
  );
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const [answer] = (await once(httpGet(server.url, { agent }), 'response')) as [IncomingMessage];
  const closed = timed(server.close('10s'));
  await sleep(20);
  finish();
  let text = '';
  for await (const part of answer.setEncoding('utf8')) text += part;
  expect(text).toBe('first last');
  expect(await closed).toBeLessThan(1000);
});

test('an answer that begins while the server closes arrives, and its connection closes after it', async () => {
  let answerIt: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => {
    answerIt = resolve;
  });
  let release: () => void = () => undefined;
  const server = await start(() => {
    answerIt();
    return new Promise((resolve) => {
      release = () => resolve(new Response('late'));
    });
  });
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const response = once(httpGet(server.url, { agent }), 'response') as Promise<[IncomingMessage]>;
  await arrived;
  const closed = timed(server.close('10s'));
  release();
  const [answer] = await response;
  answer.resume();
  expect(answer.statusCode).toBe(200);
  expect(await closed).toBeLessThan(1000);
});

test('what is not done after the grace is cut, an upgraded connection too', async () => {
  const server = await start(() => new Promise<Response>(() => undefined));
  server.server.on('upgrade', (_, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
  const upgraded = connect(server.port, '127.0.0.1');
  upgraded.write('GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n');
  await once(upgraded, 'data');
  const hanging = fetch(server.url).then(
    () => 'answered',
    () => 'cut',
  );
  await sleep(30);
  const ms = await timed(server.close(60));
  expect(ms).toBeGreaterThanOrEqual(50);
  expect(ms).toBeLessThan(1000);
  expect(await hanging).toBe('cut');
});

test('closing twice is closing once', async () => {
  const server = await start();
  const first = server.close();
  expect(server.close()).toBe(first);
  await first;
  await expect(fetch(server.url)).rejects.toThrow();
});
