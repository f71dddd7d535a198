import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { currentContext } from '@vibeonrails/infra-core';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { channel, createRealtimeServer, type Identity } from '../src/index.ts';
import { handshake } from '../src/raw-peer.ts';
import { connected, eventually, onEverything, Peer, serve } from './peers.ts';

onEverything(() => {
  const open = channel('open.:room', {
    schema: { message: z.object({ text: z.string().max(10).trim() }), tick: z.number() },
    clientEvents: ['message'],
  });
  const bearer = (token: string): string => `bearer.${Buffer.from(token).toString('base64url')}`;

  describe('a connection', () => {
    test('is greeted with its id and the interval of pings, and counted', async () => {
      const { server, hub, url } = await serve({ heartbeat: '7s' });
      const peer = await connected(url);
      expect(peer.frames[0]).toEqual({ hello: { id: expect.stringMatching(/^[\w-]{16}$/), ping: 7000 } });
      expect(server.stats()).toMatchObject({ connections: 1, accepted: 1 });
      peer.socket.close();
      await eventually(() => expect(server.stats().connections).toBe(0));
      expect(hub.stats().clients).toBe(0);
    });

    test('gets what is published on the channels it subscribed to', async () => {
      const { hub, url } = await serve({ channels: [open] });
      const [a, b] = [await connected(url), await connected(url)];
      expect(await a.ask({ op: 'sub', ch: 'open.1' })).toEqual({ ok: { members: [] } });
      await b.ask({ op: 'sub', ch: 'open.2' });
      await hub.publish('open.1', 'tick', 5);
      expect(await a.frame((frame) => 'ev' in frame)).toEqual({ ch: 'open.1', ev: 'tick', d: 5 });
      expect(await a.ask({ op: 'unsub', ch: 'open.1' })).toEqual({ ok: {} });
      await hub.publish('open.1', 'tick', 6);
      await b.ask({ op: 'presence', ch: 'open.2' });
      expect(a.frames.filter((frame) => 'ev' in frame)).toHaveLength(1);
      expect(b.frames.filter((frame) => 'ev' in frame)).toHaveLength(0);
    });

    test('may not subscribe to what no definition matches', async () => {
      const { url } = await serve({ channels: [open] });
      const peer = await connected(url);
      for (const ch of ['open', 'open.1.2', 'other.1', 'constructor'])
        expect(await peer.ask({ op: 'sub', ch })).toEqual({
          err: { code: 'E_REALTIME_CHANNEL_UNKNOWN', msg: expect.any(String) },
        });
    });

    test('publishes to the others what the schema made of it', async () => {
      const { url } = await serve({ channels: [open] });
      const [a, b] = [await connected(url), await connected(url)];
      for (const peer of [a, b]) await peer.ask({ op: 'sub', ch: 'open.1' });
      expect(await a.ask({ op: 'pub', ch: 'open.1', ev: 'message', d: { text: ' hi ' } })).toEqual({
        ok: {},
      });
      const push = await b.frame((frame) => 'ev' in frame);
      expect(push).toEqual({ ch: 'open.1', ev: 'message', d: { text: 'hi' } });
      expect(a.frames.some((frame) => 'ev' in frame)).toBe(false);
    });

    test.each([
      ['data the schema refuses', 'message', { text: 'far too long a text' }, 'E_REALTIME_INVALID'],
      ['an event of the server', 'tick', 5, 'E_REALTIME_FORBIDDEN'],
      ['an event nobody knows', 'other', 5, 'E_REALTIME_FORBIDDEN'],
      ['an event of the module', '$join', { id: 'x' }, 'E_REALTIME_FORBIDDEN'],
      ['a method of objects', 'constructor', {}, 'E_REALTIME_FORBIDDEN'],
      ['no event', undefined, {}, 'E_REALTIME_FORBIDDEN'],
    ])('may not publish %s', async (_, ev, d, code) => {
      const { hub, url } = await serve({ channels: [open] });
      const peer = await connected(url);
      await peer.ask({ op: 'sub', ch: 'open.1' });
      expect(await peer.ask({ op: 'pub', ch: 'open.1', ev, d })).toMatchObject({ err: { code } });
      expect(hub.stats().published).toBe(0);
    });

    test('may not publish where it is not subscribed', async () => {
      const { url } = await serve({ channels: [open] });
      const peer = await connected(url);
      const request = { op: 'pub', ch: 'open.1', ev: 'message', d: { text: 'hi' } };
      expect(await peer.ask(request)).toMatchObject({ err: { code: 'E_REALTIME_NOT_SUBSCRIBED' } });
    });

    test('may send a publish right behind its subscribe', async () => {
      const slow = channel('slow', {
        schema: { e: z.number() },
        clientEvents: ['e'],
        authorize: () => new Promise((resolve) => setTimeout(() => resolve(true), 10)),
      });
      const { url } = await serve({ channels: [slow] });
      const peer = await connected(url);
      const replies = [
        peer.ask({ op: 'sub', ch: 'slow' }),
        peer.ask({ op: 'pub', ch: 'slow', ev: 'e', d: 1 }),
      ];
      expect(await Promise.all(replies)).toEqual([{ ok: { members: [] } }, { ok: {} }]);
    });

    test('continues the trace of a request that carries one', async () => {
      let seen: string | undefined;
      const traced = channel('traced', {
        authorize: () => {
          seen = currentContext().trace?.traceId;
          return true;
        },
      });
      const { url } = await serve({ channels: [traced] });
      const peer = await connected(url);
      const traceId = '0af7651916cd43dd8448eb211c80319c';
      await peer.ask({ op: 'sub', ch: 'traced', traceparent: `00-${traceId}-b7ad6b7169203331-01` });
      expect(seen).toBe(traceId);
    });
  });

  describe('who may connect', () => {
    const authenticate = ({ token }: { token?: string }): Identity | null =>
      token === 'sesame ü' ? { userId: 'ada' } : null;

    test('the token travels as a subprotocol, and the server selects its own', async () => {
      const { hub, url } = await serve({ authenticate });
      const peer = await connected(url, ['infra.realtime.v1', bearer('sesame ü')]);
      expect(peer.socket.protocol).toBe('infra.realtime.v1');
      await hub.toUser('ada', 'notice', 1);
      expect(await peer.frame((frame) => 'ev' in frame)).toEqual({ ev: 'notice', d: 1 });
    });

    test.each([
      ['a wrong token', [bearer('guess')]],
      ['no token', []],
    ])('%s closes with 4001', async (_, protocols) => {
      const { server, hub, url } = await serve({ authenticate });
      const peer = new Peer(url, ['infra.realtime.v1', ...protocols]);
      expect(await peer.ended()).toBe(4001);
      expect(peer.frames).toEqual([]);
      expect(server.stats()).toMatchObject({ connections: 0, accepted: 0, refused: { unauthorized: 1 } });
      expect(hub.stats().clients).toBe(0);
    });

    test('authenticate sees path, query, headers and address, also after an await', async () => {
      let seen: unknown;
      const { url } = await serve({
        authenticate: async ({ path, query, headers, ip }) => {
          await new Promise((resolve) => setImmediate(resolve));
          seen = { path, a: query.get('a'), cookie: headers.cookie, ip };
          return {};
        },
      });
      await connected(`${url}?a=1?2`, [], { headers: { cookie: 's=1' } });
      expect(seen).toEqual({ path: '/realtime', a: '1?2', cookie: 's=1', ip: '127.0.0.1' });
    });

    test('an authenticate that throws is answered with 500, and the server goes on', async () => {
      const { server, url } = await serve({ authenticate: () => Promise.reject(new Error('database away')) });
      expect(await new Peer(url).ended()).toBe(500);
      expect(await new Peer(url).ended()).toBe(500);
      expect(server.stats().refused.failed).toBe(2);
    });

    test('an authenticate that hangs is given up on', async () => {
      const clock = fakeClock();
      let asked = false;
      const { url } = await serve({
        clock,
        limits: { hookTimeout: '3s', perIp: 1 },
        authenticate: () =>
          new Promise(() => {
            asked = true;
          }),
      });
      const peer = new Peer(url);
      await eventually(() => expect(asked).toBe(true));
      await clock.advance('3s');
      expect(await peer.ended()).toBe(500);
    });

    test('a client that goes away during authenticate leaves nothing behind', async () => {
      let finish = (): void => undefined;
      let signal: AbortSignal | undefined;
      const { server, port, url } = await serve({
        limits: { perIp: 1 },
        authenticate: (snapshot) => {
          if (signal) return {};
          signal = snapshot.signal;
          return new Promise((resolve) => {
            finish = () => resolve({});
          });
        },
      });
      const raw = connect(port, '127.0.0.1').on('error', () => undefined);
      raw.write(handshake('/realtime'));
      await eventually(() => expect(signal).toBeDefined());
      expect(await new Peer(url).ended()).toBe(429);
      raw.resetAndDestroy();
      await eventually(() => expect(signal?.aborted).toBe(true));
      finish();
      await connected(url);
      expect(server.stats()).toMatchObject({ connections: 1, accepted: 1 });
    });

    const origins: [string, string | undefined, readonly string[] | undefined, number | undefined][] = [
      ['without an origin passes', undefined, [], undefined],
      ['of the same host passes', 'same', [], undefined],
      ['of a listed origin passes', 'https://app.example.com', ['https://app.example.com'], undefined],
      ['of any origin passes where all may', 'https://evil.example', ['*'], undefined],
      ['of another origin is refused', 'https://evil.example', ['https://app.example.com'], 403],
      ['of another scheme is refused', 'http://app.example.com', ['https://app.example.com'], 403],
      ['of another port is refused', 'https://app.example.com:8443', ['https://app.example.com'], 403],
      ['of a subdomain is refused', 'https://x.app.example.com', ['https://app.example.com'], 403],
      ['of a sandbox is refused', 'null', ['https://app.example.com'], 403],
      ['of another origin is refused where only the same host may', 'https://evil.example', ['self'], 403],
    ];
    test.each(origins)('a request %s', async (_, origin, allowedOrigins, status) => {
      const { url } = await serve({ allowedOrigins: allowedOrigins ?? [] });
      const sent = origin === 'same' ? `http://${new URL(url).host}` : origin;
      const peer = new Peer(url, [], sent ? { origin: sent } : {});
      if (status) expect(await peer.ended()).toBe(status);
      else await peer.frame((frame) => 'hello' in frame);
    });

    test('production needs to know the origins', () => {
      const env = { NODE_ENV: 'production', REALTIME_DRIVER: 'memory' };
      expect(() => createRealtimeServer({ env })).toThrow(
        expect.objectContaining({ code: 'E_REALTIME_ORIGINS' }),
      );
      for (const made of [
        createRealtimeServer({ env, allowedOrigins: [] }),
        createRealtimeServer({ env: { ...env, REALTIME_ALLOWED_ORIGINS: 'self' } }),
      ])
        void made.close();
    });

    test.each([['https://a.example/path'], ['a.example'], [''], ['null']])('%j is no origin', (origin) => {
      expect(() => createRealtimeServer({ env: {}, allowedOrigins: [origin] })).toThrow(
        expect.objectContaining({ code: 'E_REALTIME_OPTION' }),
      );
    });
  });

  describe('who may subscribe', () => {
    const rooms = channel('room.:id', {
      schema: { e: z.number() },
      clientEvents: ['e'],
      presence: true,
      authorize: ({ identity }, { id }) => {
        if (id === 'broken') throw new Error('secret detail');
        if (id === 'forgotten') return undefined as unknown as boolean;
        if (id === 'read') return { publish: false };
        return id === identity.userId && { member: { name: 'Ada' } };
      },
    });
    const ada = { channels: [rooms], authenticate: () => ({ userId: 'ada' }) };

    test('authorize decides by identity and parameter, and names the member', async () => {
      const { hub, url } = await serve(ada);
      const peer = await connected(url);
      const members = [{ id: 'ada', info: { name: 'Ada' } }];
      expect(await peer.ask({ op: 'sub', ch: 'room.ada' })).toEqual({ ok: { members } });
      expect(await peer.ask({ op: 'presence', ch: 'room.ada' })).toEqual({ ok: { members } });
      expect(await peer.ask({ op: 'sub', ch: 'room.ada' })).toEqual({ ok: { members } });
      expect(hub.getSubscribers('room.ada')).toHaveLength(1);
    });

    test.each([['room.bob'], ['room.forgotten']])('%s is refused', async (ch) => {
      const { hub, url } = await serve(ada);
      const peer = await connected(url);
      expect(await peer.ask({ op: 'sub', ch })).toMatchObject({ err: { code: 'E_REALTIME_FORBIDDEN' } });
      expect(hub.getSubscribers(ch)).toEqual([]);
      expect(await peer.ask({ op: 'presence', ch })).toMatchObject({
        err: { code: 'E_REALTIME_NOT_SUBSCRIBED' },
      });
    });

    test('a member that may not publish still listens', async () => {
      const { url } = await serve(ada);
      const peer = await connected(url);
      expect(await peer.ask({ op: 'sub', ch: 'room.read' })).toMatchObject({ ok: {} });
      expect(await peer.ask({ op: 'pub', ch: 'room.read', ev: 'e', d: 1 })).toMatchObject({
        err: { code: 'E_REALTIME_FORBIDDEN' },
      });
    });

    test('what authorize throws stays in the log', async () => {
      const { url } = await serve(ada);
      const peer = await connected(url);
      const reply = await peer.ask({ op: 'sub', ch: 'room.broken' });
      expect(reply).toEqual({ err: { code: 'E_REALTIME_INTERNAL', msg: 'the request failed', retry: true } });
    });

    test('a client that goes away during authorize is not subscribed', async () => {
      let finish = (_: boolean): void => undefined;
      const slow = channel('slow', {
        authorize: () =>
          new Promise((resolve) => {
            finish = resolve;
          }),
      });
      const { server, hub, url } = await serve({ channels: [slow] });
      const peer = await connected(url);
      peer.socket.send('{"id":1,"op":"sub","ch":"slow"}');
      await peer.ask({ op: 'sub', ch: 'none' });
      peer.socket.terminate();
      await eventually(() => expect(server.stats().connections).toBe(0));
      finish(true);
      await new Promise((resolve) => setImmediate(resolve));
      expect(hub.getSubscribers('slow')).toEqual([]);
    });
  });

  test('attach serves the path on a server of the application and leaves the rest alone', async () => {
    const http = createServer((_, res) => res.end('page'));
    http.listen(0, '127.0.0.1');
    await new Promise((resolve) => http.once('listening', resolve));
    onTestFinished(() => void http.close());
    const { port } = http.address() as AddressInfo;
    const server = createRealtimeServer({ env: {}, path: '/live' });
    await server.attach(http);
    const peer = await connected(`ws://127.0.0.1:${port}/live`);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('page');
    expect(await new Peer(`ws://127.0.0.1:${port}/other`).ended()).toBe(404);
    http.on('upgrade', (req, socket) =>
      req.url === '/theirs' ? socket.end('HTTP/1.1 418 Theirs\r\n\r\n') : undefined,
    );
    expect(await new Peer(`ws://127.0.0.1:${port}/theirs`).ended()).toBe(418);
    await server.close();
    expect(await peer.ended()).toBe(1006);
    expect(http.listenerCount('upgrade')).toBe(1);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('page');
  });

  test.each([
    ['limits.payload', { limits: { payload: 0 } }],
    ['limits.perIp', { limits: { perIp: Number.NaN } }],
    ['path', { path: 'realtime' }],
    ['engine', { engine: 'uvs' as never }],
  ])('%s is checked when the server is made', (_, options) => {
    expect(() => createRealtimeServer({ env: {}, ...options })).toThrow(
      expect.objectContaining({ code: 'E_REALTIME_OPTION' }),
    );
  });

  test('a variable that holds something else is named', () => {
    for (const env of [{ REALTIME_ENGINE: 'uvs' }, { REALTIME_PORT: '70000' }, { REALTIME_DRIVER: 'reddis' }])
      expect(() => createRealtimeServer({ env })).toThrow(Object.keys(env)[0]);
  });
});
