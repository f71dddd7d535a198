import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import type { SuiteRunner } from './driver-suite.ts';
import type { EngineFactory } from './engine.ts';
import { type Bench, freePort, listen, MAX_PAYLOAD, refusing, type Test } from './engine-bench.ts';
import { handshake } from './raw-peer.ts';
import { until } from './until.ts';

/** Registers the tests that every {@link RealtimeEngine} passes, over real sockets on 127.0.0.1. */
export function realtimeEngineSuite({ describe, it }: SuiteRunner, name: string, make: EngineFactory): void {
  const test: Test = (title, body) =>
    it(title, async () => {
      const benches: Bench[] = [];
      try {
        await body(async (decide, port) => {
          const bench = await listen(make, decide, port);
          benches.push(bench);
          return bench;
        });
      } finally {
        for (const bench of benches) await bench.engine.close();
      }
    });

  describe(`the realtime engine contract: ${name}`, () => {
    upgrades(test);
    frames(test, make);
    endings(test, make);
  });
}

function upgrades(test: Test): void {
  test('shows the request and opens the socket with the chosen subprotocol', async (start) => {
    const bench = await start();
    const headers = ['Sec-WebSocket-Protocol: a, chosen', 'Origin: https://x.test'];
    const { head } = await bench.open(headers, '/ws?a=1');
    const [request] = bench.requests;
    assert.match(head, /^HTTP\/1\.1 101/);
    assert.match(head, /sec-websocket-protocol: chosen/i);
    assert.equal(request?.url, '/ws?a=1');
    assert.equal(request?.headers.origin, 'https://x.test');
    assert.match(request?.remoteAddress ?? '', /127\.0\.0\.1$/);
    assert.equal(request?.encrypted, false);
  });
  test('does not compress, which costs more memory per socket than it saves', async (start) => {
    const bench = await start();
    const { head } = await bench.open(['Sec-WebSocket-Extensions: permessage-deflate']);
    assert.match(head, /^HTTP\/1\.1 101/);
    assert.doesNotMatch(head, /sec-websocket-extensions/i);
  });
  test('keeps the request readable after an await', async (start) => {
    const bench = await start(async (request, accept) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return request.headers['x-late'] === 'yes' ? accept : { refuse: 400, reason: 'unreadable' };
    });
    const { head } = await bench.open(['X-Late: yes', 'Sec-WebSocket-Protocol: chosen']);
    assert.match(head, /^HTTP\/1\.1 101/);
  });
  test('refuses with the status it is told', async (start) => {
    const bench = await start(() => ({ refuse: 403, reason: 'no' }));
    assert.match((await bench.open()).head, /^HTTP\/1\.1 403/);
    assert.equal(bench.sockets.length, 0);
  });
  test('answers 500 when the decision fails, and goes on', async (start) => {
    const bench = await start(() => Promise.reject(new Error('broken on purpose')));
    assert.match((await bench.open()).head, /^HTTP\/1\.1 500/);
    assert.match((await bench.open()).head, /^HTTP\/1\.1 500/);
  });
  test('answers 404 on another path, without asking', async (start) => {
    const bench = await start();
    assert.match((await bench.open([], '/ws2')).head, /^HTTP\/1\.1 404/);
    assert.equal(bench.requests.length, 0);
  });
  test('tells the decision that the client went away, and calls abandoned in place of open', async (start) => {
    let decided = (): void => undefined;
    const wait = new Promise<void>((resolve) => {
      decided = resolve;
    });
    const bench = await start(async (_, accept) => {
      await wait;
      return accept;
    });
    const socket = connect(bench.port, '127.0.0.1');
    socket.on('error', () => undefined).write(handshake('/ws'));
    await until(() => bench.requests.length === 1);
    socket.resetAndDestroy();
    await until(() => bench.requests[0]?.signal.aborted === true);
    decided();
    await until(() => bench.abandoned === 1);
    assert.equal(bench.sockets.length, 0);
  });
}

function frames(test: Test, make: EngineFactory): void {
  test('hands text over as a string, also in fragments, and sends text', async (start) => {
    const bench = await start();
    const peer = await bench.open();
    peer.send('hällo');
    peer.send('two ', 0x01);
    peer.send('parts', 0x80);
    await until(() => bench.messages.length === 2);
    assert.deepEqual(bench.messages, ['hällo', 'two parts']);
    assert.notEqual(bench.sockets[0]?.send('☃'), 'dropped');
    await until(() => peer.frames.length === 1);
    assert.deepEqual(peer.frames, ['☃']);
  });
  test('hands bytes over that stay valid after the call', async (start) => {
    const bench = await start();
    const peer = await bench.open();
    peer.send(Uint8Array.of(1, 2, 3), 0x82);
    peer.send(Uint8Array.of(9, 9, 9), 0x82);
    await until(() => bench.messages.length === 2);
    assert.deepEqual(Array.from(bench.messages[0] as Uint8Array), [1, 2, 3]);
  });
  for (const [what, data, first, code] of [
    ['a message over the limit', 'x'.repeat(MAX_PAYLOAD + 1), 0x81, 1009],
    ['text that is no UTF-8', Uint8Array.of(0xc3, 0x28), 0x81, 1007],
    ['a reserved bit', 'x', 0xc1, 1002],
    ['an opcode that does not exist', 'x', 0x83, 1002],
    ['a ping in fragments', 'x', 0x09, 1002],
  ] as const)
    test(`closes the socket on ${what}, and that one alone`, async (start) => {
      const bench = await start();
      const [bad, good] = [await bench.open(), await bench.open()];
      bad.send(data, first);
      await until(() => bad.ended && bench.closes.length === 1);
      // RFC 6455 lets an endpoint cut the connection without a close frame.
      assert.ok(bad.frames.length === 0 || bad.frames[0] === `close ${code}`, bad.frames[0]);
      good.send('still here');
      await until(() => bench.messages.length === 1);
      assert.deepEqual(bench.messages, ['still here']);
    });
  test('lives through a torn frame and through bytes that are no frame', async (start) => {
    const bench = await start();
    const [torn, noise] = [await bench.open(), await bench.open()];
    torn.socket.write(Buffer.from([0x81, 0xff]));
    torn.socket.resetAndDestroy();
    noise.socket.write('GET / HTTP/1.1\r\n\r\n');
    await until(() => bench.closes.length === 2);
    const peer = await bench.open();
    peer.send('fine');
    await until(() => bench.messages.length === 1);
  });
  test('says when frames pile up for a peer that does not read', async (start) => {
    const bench = await start();
    const peer = await bench.open();
    peer.socket.pause();
    const [socket] = bench.sockets;
    assert.ok(socket);
    const piece = 'x'.repeat(60_000);
    let outcome = socket.send(piece);
    for (let i = 0; i < 2000 && socket.bufferedAmount < 1_000_000; i += 1) {
      outcome = socket.send(piece);
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(outcome, 'buffered');
    assert.ok(socket.bufferedAmount >= 1_000_000, `${socket.bufferedAmount} bytes wait`);
  });
  test('refuses a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const engine = refusing(make);
    await assert.rejects(engine.listen({ port, hostname: '127.0.0.1' }), { code: 'E_LISTEN' });
    await engine.close();
    other.close();
  });
}

function endings(test: Test, make: EngineFactory): void {
  test('closes with code and reason, and says once that it is closed', async (start) => {
    const bench = await start();
    const peer = await bench.open();
    bench.sockets[0]?.close(4100, 'slow');
    bench.sockets[0]?.close(4200, 'again');
    await until(() => peer.frames.length === 1);
    assert.deepEqual(peer.frames, ['close 4100']);
    peer.send(Uint8Array.of(0x10, 0x04), 0x88);
    await until(() => bench.closes.length === 1);
    bench.sockets[0]?.terminate();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(bench.closes.length, 1);
  });
  test('does nothing, and throws nothing, on a socket that is closed', async (start) => {
    const bench = await start();
    const peer = await bench.open();
    peer.socket.resetAndDestroy();
    await until(() => bench.closes.length === 1);
    const [socket] = bench.sockets;
    assert.equal(socket?.send('late'), 'dropped');
    assert.equal(socket?.bufferedAmount, 0);
    socket?.close(1000, '');
    socket?.terminate();
  });
  test('sends nothing after a close', async (start) => {
    const bench = await start();
    const peer = await bench.open();
    bench.sockets[0]?.close(4200, 'bye');
    assert.equal(bench.sockets[0]?.send('late'), 'dropped');
    await until(() => peer.frames.length === 1);
    assert.deepEqual(peer.frames, ['close 4200']);
  });
  test('cuts every socket and frees the port when it closes', async (start) => {
    // A number of its own, as after a deployment: connections that were just cut must not hold it.
    const bench = await start(undefined, await freePort());
    const peers = [await bench.open(), await bench.open()];
    await bench.engine.close();
    await bench.engine.close();
    await until(() => peers.every((peer) => peer.ended) && bench.closes.length === 2);
    const next = refusing(make);
    assert.equal(await next.listen({ port: bench.port, hostname: '127.0.0.1' }), bench.port);
    await next.close();
  });
  test('lets nobody in who was being decided on when it closed', async (start) => {
    let decided = (): void => undefined;
    const wait = new Promise<void>((resolve) => {
      decided = resolve;
    });
    const bench = await start(async (_, accept) => {
      await wait;
      return accept;
    });
    const peer = bench.open();
    await until(() => bench.requests.length === 1);
    await bench.engine.close();
    decided();
    assert.doesNotMatch((await peer).head, /^HTTP\/1\.1 101/);
    await until(() => bench.abandoned === 1);
    assert.equal(bench.sockets.length, 0);
  });
  test('lets what waits go out before it closes', async (start) => {
    const bench = await start();
    const peer = await bench.open();
    peer.socket.pause();
    const [socket] = bench.sockets;
    assert.ok(socket);
    const piece = 'x'.repeat(60_000);
    let count = 0;
    for (; count < 2000 && socket.bufferedAmount < 1_000_000; count += 1) {
      socket.send(piece);
      if (count % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    socket.close(4200, 'bye');
    assert.equal(socket.send('late'), 'dropped');
    peer.socket.resume();
    await until(() => peer.frames.length > count);
    assert.equal(peer.frames.length, count + 1);
    assert.equal(peer.frames.at(-1), 'close 4200');
  });
}
