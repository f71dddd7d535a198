import { describe, expect, test } from 'vitest';
import { memoryBus, memoryDriver } from '../src/drivers/memory.ts';
import { createRealtime, type Realtime, type RealtimeDriver } from '../src/index.ts';
import { add, make, push } from './recorder.ts';

describe('a client that fails', () => {
  test.each([
    [
      'throws',
      () => {
        throw new Error('gone');
      },
    ],
    ['rejects', () => Promise.reject(new Error('gone'))],
    [
      'rejects through a thenable',
      // biome-ignore lint/suspicious/noThenProperty: a promise of another library
      () => ({ then: (_: unknown, no: (e: Error) => void) => no(new Error('gone')) }),
    ],
  ])('is dropped when its send %s, and nobody else notices', async (_, send) => {
    const hub = make();
    const bad = add(hub, 'bad', { send });
    const good = add(hub, 'good');
    for (const id of ['bad', 'good']) hub.subscribe('c', id);
    await hub.publish('c', 'e', 1);
    await hub.publish('c', 'e', 2);
    expect(good.got).toHaveLength(2);
    expect(hub.getSubscribers('c')).toEqual(['good']);
    expect(bad.closed).toEqual([4102]);
    expect(hub.stats()).toMatchObject({ clients: 1, broken: 1 });
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('closed already');
      },
    ],
    ['rejects', () => Promise.reject(new Error('closed already'))],
  ])('may fail again when its close %s', async (_, close) => {
    const hub = make();
    const send = (): never => {
      throw new Error('gone');
    };
    add(hub, 'bad', { send, close });
    hub.subscribe('c', 'bad');
    await hub.publish('c', 'e', 1);
    expect(hub.getSubscribers('c')).toEqual([]);
  });

  test('is no longer registered when its close is called', async () => {
    const hub = make();
    let seen: string[] | undefined;
    add(hub, 'bad', {
      send: () => {
        throw new Error('gone');
      },
      close: () => {
        seen = hub.getSubscribers('c');
      },
    });
    hub.subscribe('c', 'bad');
    await hub.publish('c', 'e', 1);
    expect(seen).toEqual([]);
  });

  test('does not take a successor of its id along when its send rejects late', async () => {
    const hub = make();
    let fail = (_: Error): void => undefined;
    add(hub, 'a', {
      send: () =>
        new Promise((_, reject) => {
          fail = reject;
        }),
    });
    hub.subscribe('c', 'a');
    await hub.publish('c', 'e', 1);
    const next = add(hub, 'a');
    hub.subscribe('c', 'a');
    fail(new Error('gone'));
    await new Promise((resolve) => setImmediate(resolve));
    await hub.publish('c', 'e', 2);
    expect(next.got).toHaveLength(1);
    expect(next.closed).toEqual([]);
  });
});

describe('a client that reads too slowly', () => {
  const slow = { bufferedAmount: () => 101, maxBufferedAmount: 100 };

  test('is closed on an ordinary channel', async () => {
    const hub = make();
    const { got, closed } = add(hub, 'a', slow);
    hub.subscribe('c', 'a');
    await hub.publish('c', 'e', 1);
    expect({ got, closed }).toEqual({ got: [], closed: [4100] });
    expect(hub.stats()).toMatchObject({ clients: 0, slow: 1, delivered: 0 });
  });

  test('misses the message and stays where stale messages are dropped', async () => {
    const hub = make();
    const { got, closed } = add(hub, 'a', slow);
    hub.subscribe('c', 'a', { onSlow: 'drop' });
    await hub.publish('c', 'e', 1);
    expect({ got, closed }).toEqual({ got: [], closed: [] });
    expect(hub.stats()).toMatchObject({ clients: 1, skipped: 1 });
  });

  test('is left alone up to the limit', async () => {
    const hub = make();
    const { got } = add(hub, 'a', { bufferedAmount: () => 100, maxBufferedAmount: 100 });
    hub.subscribe('c', 'a');
    await hub.publish('c', 'e', 1);
    expect(got).toHaveLength(1);
  });
});

describe('users', () => {
  test('toUser reaches every connection of the user, on every process, and nobody else', async () => {
    const bus = memoryBus();
    const [one, two] = [make(bus), make(bus)];
    const tabs = [add(one, 'tab-1', { userId: 'ada' }), add(two, 'tab-2', { userId: 'ada' })];
    const other = add(one, 'tab-3', { userId: 'bob' });
    await one.toUser('ada', 'notice', 1);
    expect(tabs.map(({ got }) => got)).toEqual([[{ ev: 'notice', d: 1 }], [{ ev: 'notice', d: 1 }]]);
    expect(other.got).toEqual([]);
  });

  test('disconnectUser closes every connection of the user, on every process', async () => {
    const bus = memoryBus();
    const [one, two] = [make(bus), make(bus)];
    const tabs = [add(one, 'tab-1', { userId: 'ada' }), add(two, 'tab-2', { userId: 'ada' })];
    const other = add(two, 'tab-3');
    await one.disconnectUser('ada');
    expect(tabs.map(({ closed }) => closed)).toEqual([[4003], [4003]]);
    expect(other.closed).toEqual([]);
    expect([one.stats().clients, two.stats().clients]).toEqual([0, 1]);
  });
});

describe('presence', () => {
  test('tells the others of a first connection and of the last, over processes', async () => {
    const bus = memoryBus();
    const [one, two] = [make(bus), make(bus)];
    const watcher = add(one, 'watcher');
    await one.subscribe('c', 'watcher').ready;
    const first = add(one, 'tab-1', { userId: 'ada' });
    add(two, 'tab-2', { userId: 'ada' });
    await one.subscribe('c', 'tab-1', { presence: { info: { name: 'Ada' } } }).ready;
    await two.subscribe('c', 'tab-2', { presence: { info: { name: 'Ada' } } }).ready;
    expect(await one.presence('c')).toEqual([{ id: 'ada', info: { name: 'Ada' } }]);
    one.unsubscribe('c', 'tab-1');
    two.unregisterClient('tab-2');
    await two.close();
    expect(watcher.got).toEqual([
      push('c', '$join', { id: 'ada', info: { name: 'Ada' } }),
      push('c', '$leave', { id: 'ada' }),
    ]);
    expect(first.got).toEqual([]);
    expect(await one.presence('c')).toEqual([]);
  });

  test('leaves nobody behind who goes while joining', async () => {
    const hub = make();
    add(hub, 'a');
    const { ready } = hub.subscribe('c', 'a', { presence: true });
    hub.unregisterClient('a');
    await ready;
    await new Promise((resolve) => setImmediate(resolve));
    expect(await hub.presence('c')).toEqual([]);
  });

  test('leaves nobody behind who goes while the broker lets them in', async () => {
    const memory = memoryDriver();
    let letIn = (): void => undefined;
    const join: RealtimeDriver['join'] = async (...member) => {
      await new Promise<void>((resolve) => {
        letIn = resolve;
      });
      return memory.join(...member);
    };
    const hub = createRealtime({ driver: { ...memory, join }, env: {} });
    add(hub, 'a');
    const { ready } = hub.subscribe('c', 'a', { presence: true });
    await new Promise((resolve) => setImmediate(resolve));
    hub.unregisterClient('a');
    letIn();
    await ready;
    await new Promise((resolve) => setImmediate(resolve));
    expect(await memory.members('c')).toEqual([]);
  });

  test('counts a client that was dropped as gone', async () => {
    const hub = make();
    add(hub, 'a', {
      send: () => {
        throw new Error('gone');
      },
    });
    await hub.subscribe('c', 'a', { presence: true }).ready;
    await hub.publish('c', 'e', 1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await hub.presence('c')).toEqual([]);
  });
});

describe('the broker', () => {
  const failing = (over: Partial<RealtimeDriver>): Realtime =>
    createRealtime({ driver: { ...memoryDriver(), ...over }, env: {} });
  const away = (): Promise<never> => Promise.reject(new Error('connection lost'));

  test('that refuses a subscription takes it away again, and says so through ready alone', async () => {
    const hub = failing({ subscribe: away });
    add(hub, 'a');
    const { ready } = hub.subscribe('c', 'a');
    expect(hub.getSubscribers('c')).toEqual(['a']);
    await expect(ready).rejects.toMatchObject({ code: 'E_REALTIME_BROKER', channel: 'c', retryable: true });
    expect(hub.getSubscribers('c')).toEqual([]);
  });

  test('is asked again after a refusal', async () => {
    const memory = memoryDriver();
    let asked = 0;
    const hub = failing({
      ...memory,
      subscribe: (name) => (++asked === 1 ? away() : memory.subscribe(name)),
    });
    const { got } = add(hub, 'a');
    await hub.subscribe('c', 'a').ready.catch(() => undefined);
    await hub.subscribe('c', 'a').ready;
    await hub.publish('c', 'e', 1);
    expect(got).toHaveLength(1);
  });

  test('that does not take a message makes publish reject', async () => {
    const error = { code: 'E_REALTIME_BROKER', retryable: true };
    await expect(failing({ publish: away }).publish('c', 'e', 1)).rejects.toMatchObject(error);
    await expect(failing({ publish: away }).toUser('u', 'e', 1)).rejects.toMatchObject(error);
  });

  test('that does not let a member in takes the subscription away', async () => {
    const hub = failing({ join: away });
    add(hub, 'a');
    await expect(hub.subscribe('c', 'a', { presence: true }).ready).rejects.toMatchObject({
      code: 'E_REALTIME_BROKER',
    });
    expect(hub.getSubscribers('c')).toEqual([]);
  });

  test('is asked once per channel, and let go with the last client', async () => {
    const calls: string[] = [];
    const hub = failing({
      subscribe: async (name) => void calls.push(`+${name}`),
      unsubscribe: async (name) => void calls.push(`-${name}`),
    });
    for (const id of ['a', 'b']) {
      add(hub, id);
      hub.subscribe('c', id);
    }
    hub.unsubscribe('c', 'a');
    hub.unregisterClient('b');
    expect(calls).toEqual(['+c', '-c']);
  });

  test('that tells a position has it sent along, and its gaps and losses reach the channel', async () => {
    const memory = memoryDriver();
    let events: Parameters<RealtimeDriver['start']>[0] | undefined;
    const hub = failing({
      ...memory,
      start: (given) => {
        events = given;
        memory.start(given);
      },
    });
    const { got } = add(hub, 'a');
    await hub.subscribe('c', 'a').ready;
    events?.message({ channel: 'c', body: '{"ch":"c","ev":"e"}', position: { offset: 7, epoch: 'x"' } });
    events?.gap('c');
    events?.expired('c', 'ada');
    expect(got).toEqual([
      { ch: 'c', ev: 'e', o: 7, e: 'x"' },
      push('c', '$gap', {}),
      push('c', '$leave', { id: 'ada' }),
    ]);
  });
});

test('drain tells each client when to come back and closes it, and closes at once when time is up', async () => {
  const hub = make();
  const all = Array.from({ length: 5 }, (_, i) => add(hub, String(i)));
  const report = await hub.drain({ batch: 2, interval: '1h', spread: '3s', signal: AbortSignal.abort() });
  expect(report).toEqual({ drained: 5 });
  expect(all.map(({ closed }) => closed)).toEqual(Array(5).fill([4200]));
  const byes = all.map(
    ({ got }) => (got[0] as { bye: { code: number; reconnect: boolean; after: number } }).bye,
  );
  for (const bye of byes) {
    expect(bye).toMatchObject({ code: 4200, reconnect: true });
    expect(bye.after).toBeGreaterThanOrEqual(0);
    expect(bye.after).toBeLessThanOrEqual(3000);
  }
  expect(new Set(byes.map(({ after }) => after)).size).toBeGreaterThan(1);
  expect(hub.stats().clients).toBe(0);
});

test('close drops everyone once, and everything after it is a coded error', async () => {
  const hub = make();
  const { closed } = add(hub, 'a');
  await Promise.all([hub.close(), hub.close()]);
  expect(closed).toEqual([1001]);
  const error = expect.objectContaining({ code: 'E_REALTIME_CLOSED' });
  expect(() => add(hub, 'b')).toThrow(error);
  expect(() => hub.subscribe('c', 'a')).toThrow(error);
  await expect(hub.publish('c', 'e', 1)).rejects.toThrow(error);
});
