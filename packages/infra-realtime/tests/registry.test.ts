import { subscribeOperation } from '@vibeonrails/infra-core';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { memoryBus } from '../src/drivers/memory.ts';
import { channel } from '../src/index.ts';
import { add, make, push } from './recorder.ts';

describe('the registry', () => {
  test('the sample of the specification works as printed', () => {
    const hub = make();
    const ws = { send: (_: string) => undefined, close: () => undefined };
    hub.registerClient({ id: 'user-1', send: (d) => ws.send(d), close: () => ws.close() });
    hub.subscribe('chat-room', 'user-1');
    expect(hub.getSubscribers('chat-room')).toEqual(['user-1']);
  });

  test('subscribers are listed in the order in which they came, each once', () => {
    const hub = make();
    for (const id of ['b', 'a']) add(hub, id);
    for (const id of ['b', 'a', 'b']) hub.subscribe('c', id);
    expect(hub.getSubscribers('c')).toEqual(['b', 'a']);
    expect(hub.getSubscribers('none')).toEqual([]);
  });

  test('unsubscribe and unregisterClient say whether there was something to end', () => {
    const hub = make();
    const { closed } = add(hub, 'a');
    hub.subscribe('c', 'a');
    hub.subscribe('d', 'a');
    expect(hub.unsubscribe('c', 'a')).toBe(true);
    expect(hub.unsubscribe('c', 'a')).toBe(false);
    expect(hub.unregisterClient('a')).toBe(true);
    expect(hub.unregisterClient('a')).toBe(false);
    expect(hub.getSubscribers('d')).toEqual([]);
    expect(closed).toEqual([]);
  });

  test('the function that registerClient returns forgets that client and never its successor', () => {
    const hub = make();
    const forget = hub.registerClient({ id: 'a', send: () => undefined, close: () => undefined });
    add(hub, 'a');
    hub.subscribe('c', 'a');
    forget();
    expect(hub.getSubscribers('c')).toEqual(['a']);
  });

  test('a second client of the same id replaces the first, which is closed and keeps nothing', () => {
    const hub = make();
    const first = add(hub, 'a');
    hub.subscribe('c', 'a');
    add(hub, 'a');
    expect(first.closed).toEqual([4002]);
    expect(hub.getSubscribers('c')).toEqual([]);
  });

  test('a second client of the same id is refused when asked to', () => {
    const hub = make();
    const first = add(hub, 'a');
    const again = { id: 'a', send: () => undefined, close: () => undefined };
    expect(() => hub.registerClient(again, { onDuplicate: 'reject' })).toThrow(
      expect.objectContaining({ code: 'E_REALTIME_CLIENT' }),
    );
    expect(first.closed).toEqual([]);
  });

  test('a client that is not registered cannot be subscribed', () => {
    expect(() => make().subscribe('c', 'ghost')).toThrow(
      expect.objectContaining({ code: 'E_REALTIME_CLIENT_UNKNOWN', clientId: 'ghost' }),
    );
  });

  test.each([
    ['empty', ''],
    ['of the prototype', '__proto__'],
    ['kept for the module', '$user:1'],
    ['with a blank', 'a b'],
    ['with a line break', 'a\n'],
    ['too long', 'x'.repeat(201)],
    ['no text', 5],
  ])('a channel name that is %s is refused', async (_, name) => {
    const hub = make();
    add(hub, 'a');
    const refused = expect.objectContaining({ code: 'E_REALTIME_CHANNEL_NAME' });
    expect(() => hub.subscribe(name as string, 'a')).toThrow(refused);
    await expect(hub.publish(name as string, 'e', 1)).rejects.toThrow(refused);
    await expect(hub.presence(name as string)).rejects.toThrow(refused);
  });

  test('a channel may bear the name of an object method', async () => {
    const hub = make();
    const { got } = add(hub, 'hasOwnProperty');
    hub.subscribe('constructor', 'hasOwnProperty');
    await hub.publish('constructor', 'toString', 1);
    expect(got).toEqual([push('constructor', 'toString', 1)]);
    expect(hub.getSubscribers('toString')).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['no object', null],
    ['without an id', { send: () => 0, close: () => 0 }],
    ['with an empty id', { id: '', send: () => 0, close: () => 0 }],
    ['with an empty userId', { id: 'a', userId: '', send: () => 0, close: () => 0 }],
    ['without send', { id: 'a', close: () => 0 }],
    ['without close', { id: 'a', send: () => 0 }],
  ])('a client that is %s is refused', (_, client) => {
    expect(() => make().registerClient(client as never)).toThrow(
      expect.objectContaining({ code: 'E_REALTIME_CLIENT' }),
    );
  });
});

describe('publish', () => {
  test('reaches every subscriber but the one it came from', async () => {
    const hub = make();
    const [a, b, c] = [add(hub, 'a'), add(hub, 'b'), add(hub, 'c')];
    for (const id of ['a', 'b']) hub.subscribe('room', id);
    await hub.publish('room', 'message', { text: 'hi' }, { except: 'a' });
    expect([a.got, b.got, c.got]).toEqual([[], [push('room', 'message', { text: 'hi' })], []]);
  });

  test('reaches who subscribed just before, without a wait in between', () => {
    const hub = make();
    const { got } = add(hub, 'a');
    hub.subscribe('c', 'a');
    hub.unsubscribe('c', 'a');
    hub.subscribe('c', 'a');
    void hub.publish('c', 'e', 1);
    expect(got).toHaveLength(1);
  });

  test('keeps the order also when a receiver publishes in its turn', async () => {
    const hub = make();
    add(hub, 'a', {
      send: (text: string) => (text.includes('"first"') ? hub.publish('c', 'second', 0) : undefined),
    });
    const b = add(hub, 'b');
    for (const id of ['a', 'b']) hub.subscribe('c', id);
    await hub.publish('c', 'first', 0);
    expect(b.got).toEqual([push('c', 'first', 0), push('c', 'second', 0)]);
  });

  test('reaches the clients of another process on the same broker', async () => {
    const bus = memoryBus();
    const [one, two] = [make(bus), make(bus)];
    const { got } = add(two, 'a');
    await two.subscribe('c', 'a').ready;
    await one.publish('c', 'e', 1);
    expect(got).toEqual([push('c', 'e', 1)]);
    expect(one.getSubscribers('c')).toEqual([]);
  });

  test.each([
    [
      'a value that contains itself',
      () => {
        const loop: { self?: unknown } = {};
        loop.self = loop;
        return loop;
      },
    ],
    ['a BigInt', () => 1n],
  ])('refuses %s', async (_, data) => {
    await expect(make().publish('c', 'e', data())).rejects.toMatchObject({
      code: 'E_REALTIME_PAYLOAD',
      channel: 'c',
    });
  });

  test.each([[''], ['$join'], ['x'.repeat(101)], [5]])('refuses the event name %j', async (name) => {
    await expect(make().publish('c', name as string, 1)).rejects.toMatchObject({
      code: 'E_REALTIME_EVENT_NAME',
    });
  });

  test('is an operation that names the channel', async () => {
    const seen: unknown[] = [];
    const end = subscribeOperation('realtime.publish', {
      end: ({ channel, bytes }) => seen.push({ channel, bytes }),
    });
    await make().publish('c', 'e', 1);
    end();
    expect(seen).toEqual([{ channel: 'c', bytes: '{"ch":"c","ev":"e","d":1}'.length }]);
  });

  test('knows the events and data of a channel that was defined', async () => {
    const chat = channel('chat.:room', { schema: { message: z.object({ text: z.string() }) } });
    const hub = make();
    await hub.publish(chat.name({ room: '1' }), 'message', { text: 'hi' });
    // @ts-expect-error an event that the channel does not carry
    await hub.publish(chat.name({ room: '1' }), 'other', { text: 'hi' });
    // @ts-expect-error data of another shape
    await hub.publish(chat.name({ room: '1' }), 'message', { text: 1 });
    expectTypeOf(chat.name).parameters.toEqualTypeOf<[params: { readonly room: string }]>();
  });
});
