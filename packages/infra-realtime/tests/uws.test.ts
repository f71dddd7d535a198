import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePort } from '@vibeonrails/services';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { memoryDriver } from '../src/drivers/memory.ts';
import { addressOf, uwsEngine } from '../src/engines/uws.ts';
import { findUws, type UwsLibrary } from '../src/engines/uws-library.ts';
import {
  createRealtime,
  createRealtimeServer,
  type RealtimeServer,
  type RealtimeServerOptions,
} from '../src/index.ts';
import { rawPeer } from '../src/raw-peer.ts';
import { connected, eventually, serve } from './peers.ts';
import { noUws } from './uws.ts';

afterEach(() => vi.restoreAllMocks());

function make(options: RealtimeServerOptions): RealtimeServer {
  const hub = createRealtime({ driver: memoryDriver(), env: {} });
  const server = createRealtimeServer({ realtime: hub, env: {}, ...options });
  onTestFinished(async () => {
    await server.close();
    await hub.close();
  });
  return server;
}

/** What stands for a library that was found and does not run. */
const broken = {
  App: () => {
    throw new Error('GLIBC_2.38 not found');
  },
} as unknown as UwsLibrary;

describe.skipIf(noUws)(`the engine on uWebSockets.js${noUws}`, () => {
  test('is taken by auto for a port of its own', async () => {
    const server = make({});
    expect(server.engine).toBe('auto');
    await connected(await server.listen());
    expect(server.engine).toBe('uws');
  });

  test('leaves a shared port to ws', async () => {
    const server = make({});
    const http = createServer().listen(0, '127.0.0.1');
    await once(http, 'listening');
    onTestFinished(() => void http.close());
    await server.attach(http);
    await connected(`ws://127.0.0.1:${(http.address() as AddressInfo).port}/realtime`);
    expect(server.engine).toBe('ws');
  });

  test('says that it cannot share a port', async () => {
    const server = make({ engine: 'uws' });
    await expect(server.attach(createServer())).rejects.toMatchObject({ code: 'E_REALTIME_OPTION' });
  });

  test.each([['ws'], ['uws']])('is chosen by REALTIME_ENGINE=%s', async (REALTIME_ENGINE) => {
    const server = make({ env: { REALTIME_ENGINE } });
    await connected(await server.listen());
    expect(server.engine).toBe(REALTIME_ENGINE);
  });

  test('takes the module it is given', async () => {
    const library = (await findUws()) as UwsLibrary;
    const App = vi.fn(library.App);
    const server = make({ engine: 'uws', uws: { ...library, App } });
    await connected(await server.listen());
    expect(App).toHaveBeenCalledOnce();
  });

  test('closes a client that never reads, and keeps what waits for it small', async () => {
    const { server, hub, port } = await serve({ engine: 'uws', limits: { backpressure: 100_000 } });
    const peer = await rawPeer(port, '/realtime');
    await eventually(() => expect(hub.stats().clients).toBe(1));
    peer.socket.pause();
    const [id] = [JSON.parse(peer.frames[0] ?? '{}').hello.id as string];
    await hub.subscribe('c', id).ready;
    await eventually(async () => {
      await hub.publish('c', 'e', 'x'.repeat(60_000));
      expect(server.stats().slow).toBe(1);
    });
    expect(hub.stats()).toMatchObject({ clients: 0, slow: 1 });
  });

  test('matches a path to the letter, also where it looks like a pattern', async () => {
    const { port, url } = await serve({ engine: 'uws', path: '/a/:b/*' });
    await connected(url);
    expect((await rawPeer(port, '/a/x/y')).head).toMatch(/^HTTP\/1\.1 404/);
  });

  test('shares its port with no other server, of its own kind neither', async () => {
    const port = await freePort();
    await serve({ engine: 'uws', port });
    await expect(make({ engine: 'uws', port }).listen()).rejects.toMatchObject({ code: 'E_LISTEN' });
  });

  test('answers other requests with 426', async () => {
    const { port } = await serve({ engine: 'uws' });
    expect((await fetch(`http://127.0.0.1:${port}/realtime`)).status).toBe(426);
  });

  test('cuts a client that does not take what waits, five seconds after it was closed', async () => {
    const sockets: {
      send(text: string): string;
      bufferedAmount: number;
      close(code: number, why: string): void;
    }[] = [];
    const closed = vi.fn();
    const engine = uwsEngine()({
      path: '/ws',
      maxPayload: 1000,
      upgrade: async () => ({
        open(socket) {
          sockets.push(socket);
          return { message: () => undefined, closed };
        },
        abandoned: () => undefined,
      }),
    });
    onTestFinished(() => engine.close());
    const peer = await rawPeer(await engine.listen({ port: 0, hostname: '127.0.0.1' }), '/ws');
    peer.socket.pause();
    const [socket] = sockets;
    while (socket && socket.bufferedAmount < 1_000_000) socket.send('x'.repeat(60_000));
    const startedAt = performance.now();
    socket?.close(4100, 'slow');
    await eventually(() => expect(closed).toHaveBeenCalledWith(1006), 20_000);
    expect(performance.now() - startedAt).toBeGreaterThan(4500);
    expect(closed).toHaveBeenCalledOnce();
  }, 30_000);

  test('serves IPv6', async () => {
    const server = make({ engine: 'uws', hostname: '::1', authenticate: ({ ip }) => ({ userId: ip }) });
    await connected(await server.listen());
    expect(server.stats().accepted).toBe(1);
  });
});

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['0000:0000:0000:0000:0000:ffff:7f00:0001', '127.0.0.1'],
  ['0000:0000:0000:0000:0000:0000:0000:0001', '::1'],
  ['2001:0db8:0000:0000:0000:0000:0000:00ff', '2001:db8::ff'],
  ['', ''],
])('an address is written as Node does: %s', (given, expected) => {
  expect(addressOf(given)).toBe(expected);
});

test('a library that does not run is a coded error that says what to install', async () => {
  const server = make({ engine: 'uws', uws: broken });
  const error = await server.listen().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'E_REALTIME_ENGINE', message: expect.stringContaining('@uwsjs/core') });
});
