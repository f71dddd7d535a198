import { once } from 'node:events';
import { connect } from 'node:net';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { channel, type Identity } from '../src/index.ts';
import { handshake, type RawPeer, rawPeer } from '../src/raw-peer.ts';
import { connected, eventually, onEverything, Peer, serve } from './peers.ts';

/** Closed with this code, or cut: RFC 6455 leaves that to the engine. */
const endedWith = ({ frames, ended }: RawPeer, close: string): boolean =>
  frames.at(-1) === close || (ended && !frames.at(-1)?.startsWith('close'));

onEverything(() => {
  const open = channel('open.:room', { schema: { e: z.unknown() }, clientEvents: ['e'] });

  async function raw(port: number): Promise<RawPeer> {
    const peer = await rawPeer(port, '/realtime');
    onTestFinished(() => void peer.socket.destroy());
    return peer;
  }

  describe('connections of one address', () => {
    test('are let in up to the limit, and again when one has gone', async () => {
      const { server, url } = await serve({ limits: { perIp: 2 } });
      const [first] = [await connected(url), await connected(url)];
      expect(await new Peer(url).ended()).toBe(429);
      expect(server.stats().refused.limit).toBe(1);
      first.socket.close();
      await eventually(() => expect(server.stats().connections).toBe(1));
      await connected(url);
      expect(await new Peer(url).ended()).toBe(429);
    });

    test('who was refused by authenticate does not count', async () => {
      let answer: Identity | null = null;
      const { url } = await serve({ limits: { perIp: 1 }, authenticate: () => answer });
      expect(await new Peer(url).ended()).toBe(4001);
      answer = {};
      await eventually(() => connected(url));
    });

    test('an upgrade that fails in its last step does not count', async () => {
      const { port, url } = await serve({ limits: { perIp: 1 } });
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      socket.write(handshake('/realtime').replace(/Key: .*/, 'Key: short'));
      const [answer] = await once(socket, 'data');
      expect(String(answer)).toMatch(/^HTTP\/1\.1 4(00|26)/);
      await connected(url);
    });

    test.each([
      ['is believed from a trusted proxy', ['127.0.0.1'], '10.0.0.1', '10.0.0.1'],
      [
        'is read from the right, past other trusted proxies',
        ['127.0.0.1', '10.0.0.9'],
        '6.6.6.6, 10.0.0.1, 10.0.0.9',
        '10.0.0.1',
      ],
      ['is not believed from anyone else', [], '10.0.0.1', '127.0.0.1'],
    ])('X-Forwarded-For %s', async (_, trustedProxies, forwarded, expected) => {
      let seen: string | undefined;
      const { url } = await serve({
        trustedProxies,
        authenticate: ({ ip }) => {
          seen = ip;
          return {};
        },
      });
      await connected(url, [], { headers: { 'x-forwarded-for': forwarded } });
      expect(seen).toBe(expected);
    });
  });

  test('connections in all are let in up to the limit', async () => {
    const { url } = await serve({ limits: { connections: 1 } });
    await connected(url);
    expect(await new Peer(url).ended()).toBe(503);
  });

  test('channels of a connection are let in up to the limit, and again when one was left', async () => {
    const { url } = await serve({ channels: [open], limits: { channels: 2 } });
    const peer = await connected(url);
    const all = ['open.1', 'open.2', 'open.3'].map((ch) => peer.ask({ op: 'sub', ch }));
    expect(await Promise.all(all)).toMatchObject([
      { ok: {} },
      { ok: {} },
      { err: { code: 'E_REALTIME_CHANNELS' } },
    ]);
    await peer.ask({ op: 'unsub', ch: 'open.1' });
    expect(await peer.ask({ op: 'sub', ch: 'open.3' })).toMatchObject({ ok: {} });
  });

  test('a frame over the limit closes its connection with 1009, and that one alone', async () => {
    const { url } = await serve({ channels: [open], limits: { payload: 500 } });
    const [big, other] = [await connected(url), await connected(url)];
    big.socket.send(JSON.stringify({ id: 1, op: 'sub', ch: 'x'.repeat(500) }));
    // Cut without a word counts as 1006.
    expect([1009, 1006]).toContain(await big.ended());
    expect(await other.ask({ op: 'sub', ch: 'open.1' })).toMatchObject({ ok: {} });
  });

  describe('frames over time', () => {
    test('over the limit close the connection with 4101', async () => {
      const { server, url } = await serve({
        clock: fakeClock(),
        limits: { messagesPerSecond: 3, channels: 2 },
      });
      const peer = await connected(url);
      for (let i = 0; i < 6; i += 1) peer.socket.send('{}');
      expect(await peer.ended()).toBe(4101);
      expect(server.stats().rate).toBe(1);
    });

    test('within the limit go on for ever, pings not answered with less', async () => {
      const clock = fakeClock();
      const limits = { messagesPerSecond: 3, channels: 2 };
      const { url } = await serve({ clock, limits, channels: [open], heartbeat: '1h' });
      const peer = await connected(url);
      for (let second = 0; second < 10; second += 1) {
        for (let i = 0; i < 3; i += 1) await peer.ask({ op: 'presence', ch: 'open.1' });
        await clock.advance('1s');
      }
      expect(peer.code).toBeUndefined();
    });

    test('that wait for a hook are refused beyond a bound', async () => {
      const stuck = channel('stuck.:n', { authorize: () => new Promise(() => undefined) });
      const clock = fakeClock();
      const { url } = await serve({
        clock,
        channels: [stuck],
        limits: { messagesPerSecond: 3, channels: 2 },
      });
      const peer = await connected(url);
      for (let i = 0; i < 4; i += 1)
        peer.socket.send(JSON.stringify({ id: `w${i}`, op: 'sub', ch: 'stuck.1' }));
      await peer.ask({ op: 'unsub', ch: 'stuck.2' });
      await clock.advance('1s');
      peer.socket.send(JSON.stringify({ id: 'w4', op: 'sub', ch: 'stuck.1' }));
      const reply = await peer.ask({ op: 'sub', ch: 'stuck.2' });
      expect(reply).toMatchObject({ err: { code: 'E_REALTIME_BUSY', retry: true } });
    });
  });

  describe('a heartbeat', () => {
    test('drops a peer that is silent from one ping to the next, and keeps one that answers', async () => {
      const clock = fakeClock();
      const { server, hub, url } = await serve({ clock, heartbeat: '10s' });
      const [dead, alive] = [await connected(url), await connected(url)];
      dead.pongs = false;
      let pings = 0;
      for (const peer of [dead, alive])
        peer.socket.on('message', () => {
          pings += 1;
        });
      for (let beat = 1; beat <= 3; beat += 1) {
        const expected = pings + server.stats().connections;
        await clock.advance('10s');
        if (beat === 1) await eventually(() => expect(pings).toBe(expected));
        await alive.ask({ op: 'presence', ch: 'x' });
      }
      expect(await dead.ended()).toBe(1006);
      expect(alive.code).toBeUndefined();
      expect(server.stats()).toMatchObject({ connections: 1, dead: 1 });
      expect(hub.stats().clients).toBe(1);
    });
  });

  describe('malformed input', () => {
    const cases: [string, string, object][] = [
      ['no JSON', 'nonsense', { err: { code: 'E_REALTIME_FRAME' } }],
      ['a torn object', '{"id":1', { err: { code: 'E_REALTIME_FRAME' } }],
      ['null', 'null', { err: { code: 'E_REALTIME_FRAME' } }],
      ['a list', '[]', { err: { code: 'E_REALTIME_FRAME' } }],
      ['an empty text', '', { err: { code: 'E_REALTIME_FRAME' } }],
      ['no id', '{"op":"sub","ch":"open.1"}', { err: { code: 'E_REALTIME_FRAME' } }],
      ['an object as id', '{"id":{},"op":"sub","ch":"open.1"}', { err: { code: 'E_REALTIME_FRAME' } }],
      [
        'an unknown operation',
        '{"id":1,"op":"constructor","ch":"open.1"}',
        { id: 1, err: { code: 'E_REALTIME_FRAME' } },
      ],
      [
        'a channel that is no text',
        '{"id":1,"op":"sub","ch":5}',
        { id: 1, err: { code: 'E_REALTIME_FRAME' } },
      ],
      [
        'a channel of the prototype',
        '{"id":1,"op":"sub","ch":"__proto__"}',
        { id: 1, err: { code: 'E_REALTIME_CHANNEL_NAME' } },
      ],
      [
        'a channel of the module',
        '{"id":1,"op":"sub","ch":"$user:ada"}',
        { id: 1, err: { code: 'E_REALTIME_CHANNEL_NAME' } },
      ],
      ['keys of the prototype', '{"id":1,"op":"sub","ch":"open.1","__proto__":{"x":1}}', { id: 1, ok: {} }],
      [
        'data nested 20,000 deep',
        `{"id":1,"op":"pub","ch":"open.9","ev":"e","d":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
        { id: 1 },
      ],
    ];
    test.each(cases)('%s gets a coded reply, and the connection goes on', async (_, text, expected) => {
      const { url } = await serve({ channels: [open] });
      const peer = await connected(url);
      await peer.ask({ op: 'sub', ch: 'open.9' });
      const before = peer.frames.length;
      peer.socket.send(text);
      await eventually(() => expect(peer.frames.length).toBeGreaterThan(before));
      expect(peer.frames[before]).toMatchObject(expected);
      expect(await peer.ask({ op: 'sub', ch: 'open.2' })).toMatchObject({ ok: {} });
    });

    test.each([
      ['a binary frame', Uint8Array.of(1, 2, 3), 0x82, 'close 1003'],
      ['text that is no UTF-8', Uint8Array.of(0xff, 0xfe), 0x81, 'close 1007'],
      ['a frame with reserved bits', Uint8Array.of(0), 0xf1, 'close 1002'],
    ])('%s closes that connection alone', async (_, data, first, close) => {
      const { server, port, url } = await serve({ channels: [open] });
      const peer = await raw(port);
      peer.send(data, first);
      await eventually(() => expect(endedWith(peer, close)).toBe(true));
      peer.send(Uint8Array.of(0x03, 0xe8), 0x88);
      await eventually(() => expect(server.stats().connections).toBe(0));
      await connected(url);
    });

    test('a frame without a mask harms that connection alone', async () => {
      const { server, port, url } = await serve();
      const peer = await raw(port);
      peer.socket.write(Buffer.from([0x81, 0x02, 0x7b, 0x7d]));
      // uWebSockets.js takes the next bytes for the mask.
      if (server.engine === 'ws') await eventually(() => expect(endedWith(peer, 'close 1002')).toBe(true));
      await connected(url);
    });

    test('a request that is not HTTP is no upgrade, and the server goes on', async () => {
      const { port, url } = await serve();
      for (const text of [
        '\0\0\0\0',
        'GET /realtime HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      ]) {
        const socket = connect(port, '127.0.0.1')
          .on('error', () => undefined)
          .resume();
        socket.write(text);
        await new Promise((resolve) => socket.once('close', resolve));
      }
      await connected(url);
    });
  });

  describe('a peer that stops reading', () => {
    test('is closed before much waits for it, and the others get everything', async () => {
      const { server, hub, port, url } = await serve({ channels: [open] });
      const stuck = await raw(port);
      stuck.send('{"id":1,"op":"sub","ch":"open.1"}');
      await eventually(() => expect(stuck.frames).toHaveLength(2));
      stuck.socket.pause();
      const reader = await connected(url);
      await reader.ask({ op: 'sub', ch: 'open.1' });
      const got: number[] = [];
      reader.socket.on('message', (data) => {
        got.push((JSON.parse(String(data)) as { d: { n: number } }).d.n);
        reader.frames.length = 0;
      });
      const fill = 'x'.repeat(50_000);
      let sent = 0;
      const publish = async (): Promise<void> => {
        for (let i = 0; i < 5; i += 1) {
          await hub.publish('open.1', 'e', { n: sent, fill });
          sent += 1;
        }
        await eventually(() => expect(got).toHaveLength(sent));
      };
      // The system's own buffers take some megabytes, the server one.
      while (server.stats().slow === 0 && sent < 800) await publish();
      await publish();
      expect(got).toEqual(Array.from({ length: sent }, (_, i) => i));
      expect(server.stats().slow).toBe(1);
      expect(hub.stats()).toMatchObject({ slow: 1, clients: 1 });
      expect(hub.getSubscribers('open.1')).toHaveLength(1);
    });

    test('and keeps asking is closed by its own replies', async () => {
      const large = channel('large', { presence: true, authorize: () => ({ member: 'x'.repeat(20_000) }) });
      const { server, hub, port } = await serve({
        channels: [large],
        limits: { backpressure: 50_000, messagesPerSecond: 1_000_000, channels: 1 },
      });
      const stuck = await raw(port);
      stuck.send('{"id":1,"op":"sub","ch":"large"}');
      await eventually(() => expect(stuck.frames).toHaveLength(2));
      stuck.socket.pause();
      for (let i = 0; i < 2000; i += 1) stuck.send('{"id":2,"op":"presence","ch":"large"}');
      await eventually(() => expect(server.stats().slow).toBe(1));
      expect(hub.stats().clients).toBe(0);
    });
  });
});
