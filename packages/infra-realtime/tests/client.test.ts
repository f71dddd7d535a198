import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { type ClientOptions, createClient, type RealtimeBrowserClient } from '../src/client.ts';
import { channel, createRealtimeServer, type EventsOf } from '../src/index.ts';
import { eventually, serve } from './peers.ts';
import { make as makeHub } from './recorder.ts';

const chat = channel('chat.:room', {
  schema: { message: z.object({ text: z.string() }) },
  clientEvents: ['message'],
  presence: true,
  authorize: ({ identity }, { room }) =>
    room !== 'secret' && { member: { name: identity.userId ?? 'guest' } },
});
type Chat = EventsOf<typeof chat>;

function client(
  url: string,
  more: Partial<ClientOptions> = {},
): RealtimeBrowserClient & { states: string[] } {
  const made = createClient({ url, WebSocket, backoff: { min: 10, max: 50 }, timeout: 2000, ...more });
  const states: string[] = [];
  made.onState((state) => states.push(state));
  onTestFinished(() => made.close());
  return Object.defineProperty(made, 'states', { value: states }) as never;
}

const reach = (one: RealtimeBrowserClient, state: string): Promise<void> =>
  eventually(() => expect(one.state).toBe(state));

/** Resolves with the next data of an event. */
const next = (
  sub: { on(event: never, fn: (data: unknown) => void): () => void },
  event: string,
): Promise<unknown> =>
  new Promise((resolve) => {
    const off = sub.on(event as never, (data) => {
      off();
      resolve(data);
    });
  });

describe('a client', () => {
  test('subscribes, publishes and hears the others', async () => {
    const { url } = await serve({ channels: [chat] });
    const [a, b] = [client(url), client(url)];
    const [here, there] = [a.subscribe<Chat>('chat.1'), b.subscribe<Chat>('chat.1')];
    await Promise.all([next(here, '$subscribed'), next(there, '$subscribed')]);
    const heard = next(there, 'message');
    expect(await here.publish('message', { text: 'hi' })).toEqual({});
    expect(await heard).toEqual({ text: 'hi' });
    expect(a.states).toEqual(['connected']);
    expect(a.id).toMatch(/^[\w-]{16}$/);
    expectTypeOf(here.publish<'message'>)
      .parameter(1)
      .toEqualTypeOf<{ text: string }>();
  });

  test('holds a publish back until it is connected, then sends it behind its subscription', async () => {
    const { hub, url } = await serve({ channels: [chat] });
    const sub = client(url).subscribe<Chat>('chat.1');
    await sub.publish('message', { text: 'early' });
    expect(hub.stats().published).toBeGreaterThanOrEqual(1);
  });

  test('sends its token, asked for anew at each connection, and not in the URL', async () => {
    const seen: unknown[] = [];
    const { url } = await serve({
      authenticate: ({ token, query }) => {
        seen.push([token, [...query.keys()]]);
        return { userId: 'ada' };
      },
    });
    let n = 0;
    const one = client(url, { getToken: async () => `tökén-${++n}/+=` });
    await reach(one, 'connected');
    one.close();
    one.connect();
    await reach(one, 'connected');
    expect(seen).toEqual([
      ['tökén-1/+=', []],
      ['tökén-2/+=', []],
    ]);
  });

  test('is told what is sent to its user', async () => {
    const { hub, url } = await serve({ authenticate: () => ({ userId: 'ada' }) });
    const one = client(url);
    const notice = new Promise((resolve) => one.onUser('notice', resolve));
    await reach(one, 'connected');
    await hub.toUser('ada', 'notice', { n: 1 });
    expect(await notice).toEqual({ n: 1 });
  });

  test('sees who is there, who comes and who leaves', async () => {
    let n = 0;
    const { url } = await serve({ channels: [chat], authenticate: () => ({ userId: `user-${++n}` }) });
    const a = client(url);
    const here = a.subscribe('chat.1');
    expect(await next(here, '$subscribed')).toEqual({
      members: [{ id: 'user-1', info: { name: 'user-1' } }],
      again: false,
    });
    const joined = next(here, '$join');
    const b = client(url);
    const there = b.subscribe('chat.1');
    expect(await joined).toEqual({ id: 'user-2', info: { name: 'user-2' } });
    expect(await there.presence()).toHaveLength(2);
    const left = next(here, '$leave');
    b.close();
    expect(await left).toEqual({ id: 'user-2' });
  });

  test('is told why it may not subscribe, and does not ask again', async () => {
    const { url } = await serve({ channels: [chat] });
    const sub = client(url).subscribe('chat.secret');
    expect(await next(sub, '$error')).toMatchObject({ code: 'E_REALTIME_FORBIDDEN', retry: false });
    expect(sub.active).toBe(false);
    await expect(sub.publish('message', {})).rejects.toMatchObject({ code: 'E_REALTIME_NOT_SUBSCRIBED' });
  });

  test('shares a channel between its parts, and leaves it with the last', async () => {
    const { hub, url } = await serve({ channels: [chat] });
    const one = client(url);
    const [first, second] = [one.subscribe('chat.1'), one.subscribe('chat.1')];
    await Promise.all([next(first, '$subscribed'), next(second, '$subscribed')]);
    expect(hub.getSubscribers('chat.1')).toHaveLength(1);
    first.unsubscribe();
    first.unsubscribe();
    const heard = next(second, 'e');
    await hub.publish('chat.1', 'e', 1);
    expect(await heard).toBe(1);
    second.unsubscribe();
    await eventually(() => expect(hub.getSubscribers('chat.1')).toEqual([]));
  });

  test('tells the other listeners when one throws', async () => {
    const { hub, url } = await serve({ channels: [chat] });
    const sub = client(url).subscribe('chat.1');
    const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
    const others = process.listeners('uncaughtException').slice(0, -1);
    for (const fn of others) process.off('uncaughtException', fn);
    sub.on('e', () => {
      throw new Error('from the page');
    });
    await next(sub, '$subscribed');
    const heard = next(sub, 'e');
    await hub.publish('chat.1', 'e', 1);
    expect(await heard).toBe(1);
    expect(await thrown).toMatchObject({ message: 'from the page' });
    for (const fn of others) process.on('uncaughtException', fn);
  });
});

describe('without a connection', () => {
  const nowhere = 'ws://127.0.0.1:9/realtime';

  test('a publish gives up after its time', async () => {
    const sub = client(nowhere).subscribe('chat.1');
    await expect(sub.publish('message', {}, { timeout: 30 })).rejects.toMatchObject({
      code: 'E_REALTIME_TIMEOUT',
      retry: true,
    });
  });

  test('so many may wait and no more', async () => {
    const one = client(nowhere, { maxWaiting: 2 });
    const sub = one.subscribe('chat.1');
    const waiting = [sub.publish('message', 1), sub.publish('message', 2)];
    await expect(sub.publish('message', 3)).rejects.toMatchObject({ code: 'E_REALTIME_WAITING' });
    one.close();
    for (const publish of waiting) await expect(publish).rejects.toMatchObject({ code: 'E_REALTIME_CLOSED' });
    await expect(sub.publish('message', 4)).rejects.toMatchObject({ code: 'E_REALTIME_CLOSED' });
  });

  test('there is a plain error where there is no WebSocket', () => {
    vi.stubGlobal('WebSocket', undefined);
    expect(() => createClient({ url: nowhere })).toThrow('pass one as WebSocket');
    vi.unstubAllGlobals();
  });
});

describe('a connection that ends', () => {
  test('comes back to a server killed and started again on its port, with all subscriptions', async () => {
    const first = await serve({ channels: [chat] });
    const one = client(first.url);
    const subs = ['chat.1', 'chat.2'].map((name) => one.subscribe(name));
    await Promise.all(subs.map((sub) => next(sub, '$subscribed')));
    await first.server.close();
    await reach(one, 'waiting');
    expect(subs.map((sub) => sub.active)).toEqual([false, false]);
    const again = subs.map((sub) => next(sub, '$subscribed'));
    const held = subs[0]?.publish('message', { text: 'from the gap' });
    const second = await serve({ channels: [chat], port: first.port });
    expect(await Promise.all(again)).toMatchObject([{ again: true }, { again: true }]);
    await held;
    const heard = next(subs[1]!, 'e');
    await second.hub.publish('chat.2', 'e', 'back');
    expect(await heard).toBe('back');
  });

  test('does not ask again for what was refused', async () => {
    const first = await serve({ channels: [chat] });
    const one = client(first.url);
    const [secret, open] = [one.subscribe('chat.secret'), one.subscribe('chat.1')];
    const refusals: unknown[] = [];
    secret.on('$error', (error) => refusals.push(error.code));
    await next(secret, '$error');
    await first.server.close();
    const again = next(open, '$subscribed');
    await serve({ channels: [chat], port: first.port });
    await again;
    await one
      .subscribe('chat.2')
      .presence()
      .catch(() => undefined);
    expect(refusals).toEqual(['E_REALTIME_FORBIDDEN']);
  });

  test('is told apart for what was sent and not answered', async () => {
    const stuck = channel('stuck', { authorize: () => new Promise(() => undefined) });
    const { server, url } = await serve({ channels: [stuck] });
    const one = client(url);
    const sub = one.subscribe('stuck');
    await reach(one, 'connected');
    const sent = sub.publish('message', 1);
    await server.close();
    await expect(sent).rejects.toMatchObject({ code: 'E_REALTIME_DISCONNECTED', retry: true });
  });

  test('comes back after the time that a draining server names', async () => {
    const { server, port, url } = await serve({ channels: [chat] });
    const one = client(url, { backoff: { min: 60_000, max: 60_000 } });
    const sub = one.subscribe('chat.1');
    await next(sub, '$subscribed');
    await server.drain({ spread: '40ms' });
    await reach(one, 'waiting');
    await server.close();
    await serve({ channels: [chat], port });
    // Its own backoff would be up to a minute.
    await reach(one, 'connected');
  });

  test.each([
    ['4001: it is not let in', { authenticate: () => null }, 'not authenticated'],
    [
      '4003: its user was disconnected',
      { authenticate: () => ({ userId: 'ada' }) },
      'disconnected by the server',
    ],
  ])('stays ended on %s', async (_, options, reason) => {
    const { hub, url } = await serve(options);
    const one = client(url);
    const reasons: (string | undefined)[] = [];
    one.onState((state, why) => state === 'closed' && reasons.push(why));
    await eventually(() => expect(['connected', 'closed']).toContain(one.state));
    await hub.disconnectUser('ada');
    await reach(one, 'closed');
    expect(reasons).toEqual([reason]);
    expect(one.states).not.toContain('waiting');
  });

  test('waits a random time within a window that doubles up to the maximum', async () => {
    const waits: number[] = [];
    const real = setTimeout;
    vi.spyOn(Math, 'random').mockReturnValue(0.999);
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((fn: () => void, ms = 0) => {
      if (ms < 1000) waits.push(Math.round(ms));
      return real(fn, ms < 1000 ? 0 : ms);
    }) as never);
    const Refusing = class {
      onclose: ((event: object) => void) | undefined;
      constructor() {
        queueMicrotask(() => this.onclose?.({ code: 1006, reason: '' }));
      }
      send(): void {}
      close(): void {}
    };
    const one = client('ws://x', { WebSocket: Refusing, backoff: { min: 10, max: 100 } });
    while (waits.length < 6) await new Promise((resolve) => setImmediate(resolve));
    one.close();
    expect(waits.slice(0, 6)).toEqual([10, 20, 40, 80, 100, 100]);
  });

  test('is noticed when the other side falls silent without closing', async () => {
    const { url, port } = await serve({ heartbeat: '250ms' });
    const proxy = await silentProxy(port);
    const one = client(url.replace(String(port), String(proxy.port)));
    await reach(one, 'connected');
    proxy.mute();
    await reach(one, 'waiting');
  });

  test('is given up when a token cannot be had, and tried again', async () => {
    const { url } = await serve();
    let n = 0;
    const one = client(url, { getToken: () => (++n < 3 ? Promise.reject(new Error('offline')) : 'token') });
    await reach(one, 'connected');
    expect(n).toBe(3);
  });

  test('does nothing any more once the client was closed while it asked for a token', async () => {
    const { server, url } = await serve();
    let give = (_: string): void => undefined;
    const one = client(url, {
      getToken: () =>
        new Promise((resolve) => {
          give = resolve;
        }),
    });
    one.close();
    give('late');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([one.state, server.stats().accepted]).toEqual(['closed', 0]);
  });
});

/** A TCP proxy that can stop forwarding what the server says, as a network that lost its path. */
async function silentProxy(target: number): Promise<{ port: number; mute(): void }> {
  let muted = false;
  const open = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from
        .on('error', () => undefined)
        .on('data', (data) => {
          if (!muted) to.write(data);
        });
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as { port: number }).port,
    mute: () => {
      muted = true;
    },
  };
}

test('a server on the default hub and the client meet', async () => {
  const hub = makeHub();
  const server = createRealtimeServer({ realtime: hub, env: { REALTIME_PORT: '0' }, path: '/ws' });
  const one = client(await server.listen());
  await reach(one, 'connected');
  await server.close();
  await hub.close();
});
