import { once } from 'node:events';
import { Agent, createServer, get as httpGet, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import { afterEach, beforeEach, expect, type MockInstance, onTestFinished, test, vi } from 'vitest';
import { type FetchHandler, type RunningServer, serve, toNodeHandler } from '../src/http.ts';

let stderr: MockInstance;
beforeEach(() => {
  stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => {
  stderr.mockRestore();
});

async function start(handler: FetchHandler): Promise<RunningServer> {
  const server = await serve(handler);
  onTestFinished(() => server.close(0));
  return server;
}

/** Sends bytes as they are and returns everything that comes back until the server closes the connection. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(text);
  let answer = '';
  for await (const chunk of socket.setEncoding('latin1')) answer += chunk;
  return answer;
}

const close = 'connection: close\r\n\r\n';
const deferred = <T = void>(): { promise: Promise<T>; resolve: (value: T) => void } => {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
};

test('a request arrives with its method, URL, headers and body; the answer with its status, headers and body', async () => {
  const server = await start(async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    return Response.json(
      { method: request.method, pathname, q: searchParams.get('q'), body: await request.text() },
      { status: 201, headers: { 'x-seen': request.headers.get('x-sent') ?? '' } },
    );
  });
  const response = await fetch(`${server.url}/a%20b?q=1`, {
    method: 'PUT',
    body: 'ünïcode',
    headers: { 'x-sent': 'yes' },
  });
  expect(response.status).toBe(201);
  expect(response.headers.get('x-seen')).toBe('yes');
  expect(await response.json()).toEqual({ method: 'PUT', pathname: '/a%20b', q: '1', body: 'ünïcode' });
});

test('a repeated request header arrives joined', async () => {
  const server = await start((request) => new Response(request.headers.get('x-tag')));
  const answer = await raw(server.port, `GET / HTTP/1.1\r\nhost: a\r\nx-tag: 1\r\nX-Tag: 2\r\n${close}`);
  expect(answer).toMatch(/\r\n1, 2\r\n/);
});

test('each cookie of an answer is a header of its own', async () => {
  const server = await start(() => {
    const headers = new Headers([
      ['set-cookie', 'a=1; Path=/'],
      ['set-cookie', 'b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT'],
    ]);
    return new Response('ok', { headers });
  });
  const response = await fetch(server.url);
  expect(response.headers.getSetCookie()).toEqual([
    'a=1; Path=/',
    'b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT',
  ]);
});

test('an answer streams: the first part is there before the last is made', async () => {
  const gate = deferred();
  const server = await start(() => {
    const encoder = new TextEncoder();
    return new Response(
      new ReadableStream({
        async start(controller) {
          controller.enqueue(encoder.encode('first'));
          await gate.promise;
          controller.enqueue(encoder.encode('last'));
          controller.close();
        },
      }),
    );
  });
  const reader = (await fetch(server.url)).body!.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toBe('first');
  gate.resolve();
  expect((await reader.read()).value).toBe('last');
  expect((await reader.read()).done).toBe(true);
});

test('a request streams: the handler has the first part before the last is sent', async () => {
  const first = deferred<string>();
  const server = await start(async (request) => {
    const reader = request.body!.pipeThrough(new TextDecoderStream()).getReader();
    first.resolve((await reader.read()).value ?? '');
    let rest = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) rest += part.value;
    return new Response(rest);
  });
  const client = httpRequest(server.url, { method: 'POST' });
  client.write('first');
  expect(await first.promise).toBe('first');
  client.end('last');
  const [answer] = (await once(client, 'response')) as [IncomingMessage];
  expect(await (await import('node:stream/consumers')).text(answer)).toBe('last');
});

test('a large body goes both ways unharmed', async () => {
  const server = await start((request) => new Response(request.body));
  const sent = Buffer.alloc(8 * 1024 * 1024, 'abcdefg');
  const response = await fetch(server.url, { method: 'POST', body: sent });
  expect(Buffer.from(await response.arrayBuffer()).equals(sent)).toBe(true);
});

test('a client cannot send faster than the handler reads', async () => {
  const gate = deferred();
  const server = await start(async (request) => {
    const reader = request.body!.getReader();
    let bytes = (await reader.read()).value?.byteLength ?? 0;
    await gate.promise;
    for (let part = await reader.read(); !part.done; part = await reader.read())
      bytes += part.value.byteLength;
    return new Response(String(bytes));
  });
  const size = 64 * 1024 * 1024;
  const socket = connect(server.port, '127.0.0.1');
  onTestFinished(() => {
    socket.destroy();
  });
  let taken = 0;
  socket.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${size}\r\n${close}`);
  const chunk = Buffer.alloc(1024 * 1024);
  const pump = (): void => {
    while (taken < size) {
      taken += chunk.length;
      if (!socket.write(chunk)) return void socket.once('drain', pump);
    }
  };
  pump();
  await vi.waitFor(async () => {
    const before = taken;
    await sleep(50);
    expect(taken).toBe(before);
  });
  expect(taken).toBeLessThan(size / 2);
  gate.resolve();
  let answer = '';
  for await (const part of socket.setEncoding('latin1')) answer += part;
  expect(answer).toContain(String(size));
});

test('a slow client is not sent more than it takes', async () => {
  let made = 0;
  const server = await start(
    () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            made += 1;
            controller.enqueue(new Uint8Array(64 * 1024));
            if (made === 2000) controller.close();
          },
        }),
      ),
  );
  const [answer] = (await once(httpGet(server.url), 'response')) as [IncomingMessage];
  answer.pause();
  await vi.waitFor(async () => {
    const before = made;
    await sleep(50);
    expect(made).toBe(before);
  });
  expect(made).toBeLessThan(1000);
  answer.destroy();
});

test('the signal aborts, and a streamed answer is cancelled, when the client goes away', async () => {
  const aborted = deferred<boolean>();
  const cancelled = deferred();
  const server = await start((request) => {
    request.signal.addEventListener('abort', () => aborted.resolve(true));
    return new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(1024)),
        cancel: () => cancelled.resolve(),
      }),
    );
  });
  const client = new AbortController();
  const response = await fetch(server.url, { signal: client.signal });
  await response.body!.getReader().read();
  client.abort();
  expect(await aborted.promise).toBe(true);
  await cancelled.promise;
  expect(stderr).not.toHaveBeenCalled();
});

test('a client that goes away in the middle of its body is no error of the handler', async () => {
  const outcome = deferred<string>();
  const server = await start(async (request) => {
    await request.text().catch((error: Error) => outcome.resolve(error.message));
    throw new Error('too late to tell');
  });
  const socket = connect(server.port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\npart');
  await sleep(50);
  socket.destroy();
  expect(await outcome.promise).toMatch(/abort|clos/i);
  await sleep(20);
  expect(stderr).not.toHaveBeenCalled();
});

test('the signal does not abort after an answer that arrived', async () => {
  const signals: AbortSignal[] = [];
  const server = await start((request) => {
    signals.push(request.signal);
    return new Response('ok');
  });
  const agent = new Agent();
  const [answer] = (await once(httpGet(server.url, { agent }), 'response')) as [IncomingMessage];
  answer.resume();
  await once(answer, 'end');
  agent.destroy();
  await sleep(30);
  expect(signals[0]?.aborted).toBe(false);
});

test.each(['ignored', 'read in part', 'read in part and cancelled'])(
  'a body that is %s leaves the connection fit for the next request',
  async (how) => {
    const server = await start(async (request) => {
      if (request.method === 'POST' && how !== 'ignored') {
        const reader = request.body!.getReader();
        await reader.read();
        if (how.endsWith('cancelled')) await reader.cancel();
      }
      return new Response(request.method);
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const send = async (method: string, body: Buffer | undefined): Promise<[string, Socket]> => {
      const client = httpRequest(server.url, { method, agent });
      client.end(body);
      const [answer] = (await once(client, 'response')) as [IncomingMessage];
      const text = await (await import('node:stream/consumers')).text(answer);
      return [text, client.socket!];
    };
    const [post, firstSocket] = await send('POST', Buffer.alloc(4 * 1024 * 1024));
    const [get, secondSocket] = await send('GET', undefined);
    expect([post, get]).toEqual(['POST', 'GET']);
    expect(secondSocket).toBe(firstSocket);
  },
);

test('HEAD is answered with the headers of GET and no body', async () => {
  const cancelled = vi.fn();
  const server = await start(
    (request) =>
      new Response(new ReadableStream({ cancel: cancelled }), {
        headers: { 'content-length': '1234', 'x-method': request.method },
      }),
  );
  const answer = await raw(server.port, `HEAD / HTTP/1.1\r\nhost: a\r\n${close}`);
  expect(answer).toMatch(/content-length: 1234/i);
  expect(answer).toMatch(/x-method: HEAD/i);
  expect(answer.endsWith('\r\n\r\n')).toBe(true);
  await vi.waitFor(() => expect(cancelled).toHaveBeenCalledOnce());
});

test.each([
  [200, '0'],
  [404, '0'],
  [204, null],
  [304, null],
])('an answer %d without a body says so', async (status, length) => {
  const server = await start(() => new Response(null, { status }));
  const response = await fetch(server.url);
  expect(response.status).toBe(status);
  expect(response.headers.get('content-length')).toBe(length);
  expect(response.headers.get('transfer-encoding')).toBeNull();
  expect(await response.text()).toBe('');
});

test('a handler that throws is answered with a plain 500, and the error is logged', async () => {
  const server = await start(() => {
    throw new Error('the password is hunter2');
  });
  const response = await fetch(server.url);
  expect(response.status).toBe(500);
  expect(await response.text()).toBe('Internal Server Error\n');
  expect(String(stderr.mock.calls[0]?.[0])).toContain('the password is hunter2');
});

test.each([
  ['nothing', () => undefined as unknown as Response],
  ['an error response', () => Response.error()],
  [
    'a response that was read before',
    async () => {
      const response = new Response('once');
      await response.text();
      return response;
    },
  ],
])('a handler that returns %s is answered with 500', async (_, handler) => {
  const server = await start(handler);
  expect((await fetch(server.url)).status).toBe(500);
});

test('an answer that breaks in the middle breaks the connection, so that the client knows', async () => {
  const server = await start(
    () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode('half'));
          },
          pull(controller) {
            controller.error(new Error('the source broke'));
          },
        }),
      ),
  );
  await expect(fetch(server.url).then((response) => response.text())).rejects.toThrow();
  await vi.waitFor(() => expect(String(stderr.mock.calls[0]?.[0])).toContain('the source broke'));
});

test.each([
  ['a host', 'example.com:8080', 'http://example.com:8080/path'],
  ['an IPv6 host', '[::1]:80', 'http://[::1]/path'],
  ['a path in the host', 'evil.com/x?', 'http://localhost/path'],
  ['credentials in the host', 'user:pass@evil.com', 'http://localhost/path'],
  ['blanks in the host', 'a b', 'http://localhost/path'],
  ['nonsense', ':::', 'http://localhost/path'],
  ['an empty host', '', 'http://localhost/path'],
])('with %s the URL is sound', async (_, host, url) => {
  const server = await start((request) => new Response(request.url));
  expect(await raw(server.port, `GET /path HTTP/1.1\r\nhost: ${host}\r\n${close}`)).toContain(
    `\r\n${url}\r\n`,
  );
});

test.each([
  ['GET', 'http://elsewhere.com:81/a?b=c', '/a?b=c'],
  ['GET', '//evil.com/x', '//evil.com/x'],
  ['GET', '/%zz?%', '/%zz?%'],
  ['OPTIONS', '*', '/'],
])('the target of %s %s reads as %s', async (method, target, path) => {
  const server = await start((request) => new Response(request.url));
  const answer = await raw(server.port, `${method} ${target} HTTP/1.1\r\nhost: a.test\r\n${close}`);
  expect(answer).toContain(`http://a.test${path}\r\n`);
});

test.each(['TRACE', 'PROPFIND', 'M-SEARCH'])('%s is answered, not crashed', async (method) => {
  const server = await start((request) => new Response(`did ${request.method}`));
  const answer = await raw(server.port, `${method} / HTTP/1.1\r\nhost: a\r\n${close}`);
  expect(answer).toContain(method === 'TRACE' ? '501 Not Implemented' : `did ${method}`);
  expect(stderr).not.toHaveBeenCalled();
});

test('CONNECT and bytes that are no HTTP do not harm the server', async () => {
  const server = await start(() => new Response('fine'));
  await raw(server.port, 'CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n').catch(() => '');
  expect(await raw(server.port, 'hello\r\n\r\n')).toContain('400 Bad Request');
  expect(await (await fetch(server.url)).text()).toBe('fine');
});

test('in Express it mounts under a path, beside its middleware', async () => {
  const app = express();
  app.use((_, res, next) => {
    res.setHeader('set-cookie', 'before=1');
    next();
  });
  app.use(
    '/ops',
    toNodeHandler((request) => new Response(new URL(request.url).pathname)),
  );
  app.use(express.json());
  app.post(
    '/parsed',
    toNodeHandler(async (request) => new Response(`body: "${await request.text()}"`)),
  );
  const server = createServer(app).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const mounted = await fetch(`${url}/ops/readyz`);
  expect(await mounted.text()).toBe('/readyz');
  expect(mounted.headers.getSetCookie()).toEqual(['before=1']);
  const headers = { 'content-type': 'application/json' };
  const parsed = await fetch(`${url}/parsed`, { method: 'POST', body: '{"a":1}', headers });
  expect(await parsed.text()).toBe('body: ""');
});
