import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { shutdown } from '@vibeonrails/infra-core';
import { type FakeClock, fakeClock, resetInfra } from '@vibeonrails/infra-core/testing';
import { freePort } from '@vibeonrails/services';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  configureRealtime,
  createRealtime,
  type Realtime,
  type RealtimeRedisOptions,
  realtimeHealthCheck,
} from '../src/index.ts';
import { eventually } from './peers.ts';
import { add, push } from './recorder.ts';

const unhandled = vi.fn();
beforeEach(() => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  process.on('unhandledRejection', unhandled).on('uncaughtExceptionMonitor', unhandled);
});
afterEach(() => {
  process.off('unhandledRejection', unhandled).off('uncaughtExceptionMonitor', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
  resetInfra();
});

/** A hub on a Redis; it closes with the test. */
function hubOn(url: string, redis: RealtimeRedisOptions = {}): Realtime {
  const hub = createRealtime({ redis: { url, timeout: '2s', connectTimeout: '2s', ...redis }, env: {} });
  onTestFinished(() => hub.close());
  return hub;
}

/** A hub whose time is the test's: no command of it gives up. */
function hubIn(url: string, clock: FakeClock): Realtime {
  const hub = createRealtime({ redis: { url, timeout: '24h', connectTimeout: '24h' }, clock, env: {} });
  onTestFinished(() => hub.close());
  return hub;
}

const timed = async (work: Promise<unknown>): Promise<{ error: unknown; ms: number }> => {
  const startedAt = performance.now();
  const error = await work.then(
    () => expect.fail('expected it to fail'),
    (thrown: unknown) => thrown,
  );
  return { error, ms: performance.now() - startedAt };
};
const away = expect.objectContaining({ code: 'E_REALTIME_BROKER', retryable: true });
interface Redis {
  command(...words: string[]): Promise<string>;
}
const channelsOf = (redis: Redis): Promise<string> =>
  redis.command('EVAL', "return table.concat(redis.call('PUBSUB', 'CHANNELS'), ' ')", '0');

/** The process that holds the first lease on channel c. */
const holderOf = (redis: Redis): Promise<string> =>
  redis.command('EVAL', "return redis.call('ZRANGE', 'realtime:{c}:leases', 0, 0)[1]", '0');

/** Lets all leases on channel c be over, as if nobody had renewed one for long. */
const endLeases = (redis: Redis): Promise<string> =>
  redis.command(
    'EVAL',
    "for _, p in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 1, p) end",
    '1',
    'realtime:{c}:leases',
  );

/** Leaves in channel c what a process that died leaves: a member, and a lease that is over. */
async function leaveDead(redis: Redis): Promise<void> {
  await redis.command('HSET', 'realtime:{c}:members', 'ada', '1 1 ');
  await redis.command('SADD', 'realtime:{c}:of:dead', '3:adax');
  await redis.command('ZADD', 'realtime:{c}:leases', '1', 'dead');
}

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** A process with a hub. */
class Node {
  readonly said: Record<string, unknown>[] = [];
  readonly child: ChildProcess;

  constructor(url: string) {
    const file = fileURLToPath(new URL('./fixtures/node.ts', import.meta.url));
    const flags = ['--import', tsx, '--conditions', '@vibeonrails/infra-source'];
    this.child = spawn(process.execPath, [...flags, file], {
      env: { ...process.env, REALTIME_REDIS_URL: url },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface(this.child.stdout as NodeJS.ReadableStream);
    lines.on('line', (line) => this.said.push(JSON.parse(line)));
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  /** Resolves with what it has said `count` times. */
  async did(name: string, count = 1): Promise<unknown> {
    const find = () => this.said.filter(({ did }) => did === name)[count - 1];
    await eventually(() => expect(find()).toBeDefined(), 30_000);
    return find()?.result;
  }

  async tell(name: string, ...args: string[]): Promise<unknown> {
    const before = this.said.filter(({ did }) => did === name).length;
    this.child.stdin?.write(`${[name, ...args].join(' ')}\n`);
    return this.did(name, before + 1);
  }

  get frames(): unknown[] {
    return this.said.flatMap(({ frame }) => (frame === undefined ? [] : [frame]));
  }
}

describeWith('redis', 'hubs of several processes', { own: true }, (server) => {
  beforeEach(async () => void (await server().command('FLUSHALL')));

  test('reach each other, know who is there, and notice when one is killed', {
    timeout: 90_000,
  }, async () => {
    const [one, two] = [new Node(server().url), new Node(server().url)];
    await Promise.all([one.did('ready'), two.did('ready')]);
    await one.tell('join', 'room', 'tab-1', 'ada');
    await two.tell('join', 'room', 'tab-2', 'bob');
    await one.tell('publish', 'room', 'hello');
    const hello = push('room', 'e', 'hello');
    await eventually(() => expect(two.frames).toContainEqual(hello));
    await eventually(() => expect(one.frames).toContainEqual(hello));
    expect(await two.tell('presence', 'room')).toEqual([{ id: 'ada' }, { id: 'bob' }]);
    one.child.kill('SIGKILL');
    await once(one.child, 'exit');
    await eventually(() => expect(two.frames).toContainEqual(push('room', '$leave', { id: 'ada' })), 30_000);
    expect(await two.tell('presence', 'room')).toEqual([{ id: 'bob' }]);
    expect(two.frames.filter((frame) => JSON.stringify(frame).includes('$leave'))).toHaveLength(1);
    await two.tell('close');
    expect(await server().command('DBSIZE')).toBe('0');
  });

  test('tell of a crash on one process alone, however many look', async () => {
    const clock = fakeClock();
    const stopped = hubIn(server().url, clock);
    add(stopped, 'a');
    await stopped.subscribe('c', 'a', { presence: true }).ready;
    const hubs = [1, 2, 3].map(() => hubOn(server().url, { lease: '600ms' }));
    const watchers = await Promise.all(
      hubs.map(async (hub, i) => {
        const watcher = add(hub, `w${i}`);
        await hub.subscribe('c', `w${i}`).ready;
        return watcher;
      }),
    );
    await endLeases(server());
    await Promise.all(hubs.map((hub) => hub.presence('c')));
    await eventually(() => expect(watchers[0]?.got).toContainEqual(push('c', '$leave', { id: 'a' })), 30_000);
    // It lives after all, finds that it was taken for dead, and says so.
    await clock.advance('20s');
    await eventually(() => expect(watchers[0]?.got).toContainEqual(push('c', '$join', { id: 'a' })), 30_000);
    expect(watchers[0]?.got).toHaveLength(2);
    expect(await hubs[0]?.presence('c')).toEqual([{ id: 'a' }]);
  });

  describe('take nobody for dead who may have been kept from saying otherwise', () => {
    const dead = [{ id: 'ada' }];

    test('before they were in touch with Redis for the length of a lease', async () => {
      const clock = fakeClock();
      const hub = hubIn(server().url, clock);
      const { got } = add(hub, 'w');
      await hub.subscribe('c', 'w').ready;
      await leaveDead(server());
      expect(await hub.presence('c')).toEqual(dead);
      for (const step of ['20s', '20s', '19s'] as const) {
        await clock.advance(step);
        expect(await hub.presence('c')).toEqual(dead);
      }
      await clock.advance('1s');
      expect(await hub.presence('c')).toEqual([]);
      await eventually(() => expect(got).toContainEqual(push('c', '$leave', { id: 'ada' })));
    });

    test('before the length of a lease has passed since they lost a connection', async () => {
      const clock = fakeClock();
      const hub = await inTouch(clock);
      const { got } = add(hub, 'w');
      await hub.subscribe('c', 'w').ready;
      await leaveDead(server());
      await server().command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await eventually(async () => {
        await clock.advance('1ms');
        expect(got).toContainEqual(push('c', '$gap', {}));
      }, 20_000);
      expect(await hub.presence('c')).toEqual(dead);
      await clock.advance('30s');
      expect(await hub.presence('c')).toEqual(dead);
      await clock.advance('30s');
      expect(await hub.presence('c')).toEqual([]);
    });

    test('after they were stopped themselves, or their machine slept', async () => {
      const clock = fakeClock();
      const hub = await inTouch(clock);
      await leaveDead(server());
      await clock.advance('41s');
      expect(await hub.presence('c')).toEqual(dead);
    });

    test('but look again by themselves, also at a channel in which they have nobody', async () => {
      const clock = fakeClock();
      const hub = hubIn(server().url, clock);
      await leaveDead(server());
      expect(await hub.presence('c')).toEqual(dead);
      await eventually(async () => {
        await clock.advance('20s');
        expect(await server().command('DBSIZE')).toBe('0');
      }, 20_000);
      await eventually(async () => {
        await clock.advance('20s');
        expect(clock.pending()).toBe(0);
      }, 20_000);
    });

    /** A hub that may judge: in touch with Redis for the length of a lease. */
    async function inTouch(clock: FakeClock): Promise<Realtime> {
      const hub = hubIn(server().url, clock);
      for (let i = 0; i < 4; i += 1) {
        await hub.presence('c');
        await clock.advance('20s');
      }
      return hub;
    }
  });

  test('subscribe to what they use, in their namespace, and to nothing else', async () => {
    const hub = hubOn(server().url, { namespace: 'app-1' });
    const other = hubOn(server().url);
    const [{ got }] = [add(hub, 'a'), add(hub, 'b')];
    add(other, 'a');
    await Promise.all([hub.subscribe('c', 'a').ready, hub.subscribe('c', 'b').ready]);
    expect(await channelsOf(server())).toBe('app-1:{c}');
    expect(await server().command('EVAL', "return redis.call('PUBSUB','NUMSUB','app-1:{c}')[2]", '0')).toBe(
      '1',
    );
    await other.publish('c', 'e', 'of the other namespace');
    await hub.publish('c', 'e', 'mine');
    await eventually(() => expect(got).toEqual([push('c', 'e', 'mine')]));
    hub.unregisterClient('a');
    hub.unregisterClient('b');
    await eventually(async () => expect(await channelsOf(server())).toBe(''));
  });

  test('forget their members when they close, and keep nothing in Redis', async () => {
    const [one, two] = [hubOn(server().url), hubOn(server().url)];
    add(one, 'a');
    add(two, 'b');
    await one.subscribe('c', 'a', { presence: true }).ready;
    await two.subscribe('c', 'b', { presence: true }).ready;
    await one.close();
    expect(await two.presence('c')).toEqual([{ id: 'b' }]);
    expect(Number(await server().command('PTTL', 'realtime:{c}:members'))).toBeGreaterThan(60_000);
    await two.close();
    expect(await server().command('DBSIZE')).toBe('0');
  });

  test('close before their connection does at shutdown, and say who leaves', async () => {
    const watching = hubOn(server().url);
    const watcher = add(watching, 'w');
    await watching.subscribe('c', 'w').ready;
    // Hooks of the watching hub would run too.
    resetInfra();
    const leaving = createRealtime({ redis: { url: server().url }, env: {} });
    add(leaving, 'a');
    await leaving.subscribe('c', 'a', { presence: true }).ready;
    const report = await shutdown('test');
    expect(report.hooks.map(({ name }) => name)).toEqual(['realtime']);
    await eventually(() => expect(watcher.got.at(-1)).toEqual(push('c', '$leave', { id: 'a' })));
  });

  test('take a member away whose leaving Redis did not hear of', async () => {
    const [one, two] = [hubOn(server().url, { lease: '600ms' }), hubOn(server().url)];
    const watcher = add(two, 'w');
    await two.subscribe('c', 'w').ready;
    for (const id of ['a', 'b']) {
      add(one, id);
      await one.subscribe('c', id, { presence: true }).ready;
    }
    const process = await holderOf(server());
    await server().command('SADD', `realtime:{c}:of:${process}`, '3:adax');
    await server().command('HSET', 'realtime:{c}:members', 'ada', '1 1 ');
    await eventually(() => expect(watcher.got).toContainEqual(push('c', '$leave', { id: 'ada' })));
    expect(await two.presence('c')).toEqual([{ id: 'a' }, { id: 'b' }]);
  });

  test('are checked by a message that goes there and back', async () => {
    const hub = configureRealtime({ redis: { url: server().url }, env: {} });
    onTestFinished(() => hub.close());
    const { signal } = new AbortController();
    expect(await realtimeHealthCheck()({ signal })).toMatchObject({
      status: 'ok',
      data: { driver: 'redis' },
    });
  });
});

describeWith('redis', 'a hub whose Redis fails', { own: true, appendonly: true }, (server) => {
  test('gets everything back when it was killed: a gap is told, presence is whole', async () => {
    const [one, two] = [1, 2].map(() => hubOn(server().url)) as [Realtime, Realtime];
    const [{ got }] = [add(one, 'a'), add(two, 'b')];
    await one.subscribe('c', 'a', { presence: true }).ready;
    await two.subscribe('c', 'b', { presence: true }).ready;
    await server().kill();
    const { error, ms } = await timed(two.publish('c', 'e', 'lost'));
    expect(error).toEqual(away);
    expect(ms).toBeLessThan(10_000);
    await expect(one.presence('c')).rejects.toEqual(away);
    add(one, 'late');
    const late = one.subscribe('late', 'late').ready;
    await expect(late).rejects.toEqual(away);
    await server().restart();
    // It was away for longer than a lease.
    await endLeases(server());
    const whole = [{ id: 'a' }, { id: 'b' }];
    await eventually(async () => expect(await two.presence('c')).toEqual(whole), 30_000);
    await eventually(() => two.publish('c', 'e', 'back'), 30_000);
    await eventually(() => expect(got).toContainEqual(push('c', '$gap', {})), 30_000);
    await eventually(() => one.subscribe('late', 'late').ready, 30_000);
    await eventually(() => two.publish('c', 'e', 'heard'), 30_000);
    await eventually(() => expect(got).toContainEqual(push('c', 'e', 'heard')), 30_000);
    expect(got).not.toContainEqual(push('c', 'e', 'lost'));
    expect(got).not.toContainEqual(expect.objectContaining({ ev: '$leave' }));
    await eventually(async () => expect(await one.presence('c')).toEqual(whole), 30_000);
  }, 120_000);

  test('puts its members back when Redis has forgotten them', async () => {
    const hub = hubOn(server().url, { lease: '600ms' });
    const { got } = add(hub, 'w');
    add(hub, 'a');
    await hub.subscribe('c', 'w').ready;
    await hub.subscribe('c', 'a', { presence: { info: 1 } }).ready;
    await server().command('FLUSHALL');
    await eventually(async () => expect(await hub.presence('c')).toEqual([{ id: 'a', info: 1 }]));
    const joins = () => got.filter((frame) => JSON.stringify(frame).includes('$join'));
    await eventually(() => expect(joins()).toHaveLength(2));
  });

  test('fails within its timeout while it is frozen, and goes on afterwards', async () => {
    const hub = hubOn(server().url, { timeout: '1s' });
    const { got } = add(hub, 'a');
    add(hub, 'b');
    await hub.subscribe('c', 'a').ready;
    await server().pause();
    onTestFinished(() => server().resume());
    const [published, subscribed] = await Promise.all([
      timed(hub.publish('c', 'e', 1)),
      timed(hub.subscribe('d', 'b').ready),
    ]);
    for (const { error, ms } of [published, subscribed]) {
      expect(error).toEqual(away);
      expect(ms).toBeLessThan(10_000);
    }
    await server().resume();
    await eventually(() => hub.subscribe('d', 'b').ready, 30_000);
    await eventually(async () => {
      await hub.publish('c', 'e', 'after');
      expect(got).toContainEqual(push('c', 'e', 'after'));
    }, 30_000);
  }, 90_000);
});

describe('a hub without its Redis', () => {
  test('says so at ready and at each call, within its time, and closes', async () => {
    const hub = hubOn(`redis://:s3cret@127.0.0.1:${await freePort()}`, {
      timeout: '500ms',
      connectTimeout: '500ms',
    });
    const { error, ms } = await timed(hub.ready());
    expect(error).toMatchObject({ code: 'E_REDIS_CONNECT', retryable: true });
    expect(String(error)).not.toContain('s3cret');
    expect(ms).toBeLessThan(10_000);
    await expect(hub.publish('c', 'e', 1)).rejects.toEqual(away);
    add(hub, 'a');
    await expect(hub.subscribe('c', 'a').ready).rejects.toEqual(away);
    expect(hub.getSubscribers('c')).toEqual([]);
    await hub.close();
  });

  test.each([
    ['a misspelt address', { REALTIME_REDIS_URL: 'http://x' }, 'REALTIME_REDIS_URL'],
    ['a misspelt shared address', { REDIS_URL: 'localhost:6379' }, 'REDIS_URL'],
    ['a driver without an address', { REALTIME_DRIVER: 'redis' }, 'REALTIME_REDIS_URL'],
    ['a misspelt driver', { REALTIME_DRIVER: 'reddis' }, 'REALTIME_DRIVER'],
  ])('is one coded error with %s', (_, env, variable) => {
    expect(() => createRealtime({ env })).toThrow(
      expect.objectContaining({ code: 'E_CONFIG', message: expect.stringContaining(variable) }),
    );
  });

  test.each([
    ['REALTIME_REDIS_URL', { REALTIME_REDIS_URL: 'redis://127.0.0.1:1' }, 'redis'],
    ['REDIS_URL', { REDIS_URL: 'redis://127.0.0.1:1' }, 'redis'],
    ['REALTIME_DRIVER over both', { REDIS_URL: 'redis://127.0.0.1:1', REALTIME_DRIVER: 'memory' }, 'memory'],
  ])('is chosen by %s', async (_, env, driver) => {
    const hub = createRealtime({ env });
    expect(hub.driver).toBe(driver);
    await hub.close();
  });

  test.each([
    ['a namespace with braces', { namespace: 'a{b}' }],
    ['an empty namespace', { namespace: '' }],
    ['a lease without reserve', { lease: 100 }],
  ])('refuses %s', (_, redis) => {
    expect(() => createRealtime({ redis: { url: 'redis://127.0.0.1:1', ...redis }, env: {} })).toThrow(
      expect.objectContaining({ code: 'E_REALTIME_OPTION' }),
    );
  });
});
