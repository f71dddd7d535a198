import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { inspect } from 'node:util';
import { shutdown } from '@vibeonrails/infra-core';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { freePort } from '@vibeonrails/services';
import { describeWith } from '@vibeonrails/services/vitest';
import { Redis as Redis6 } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  type ConnectRedisOptions,
  connectRedis,
  type RedisConnection,
  redisHealthCheck,
} from '../src/index.ts';

const open: RedisConnection[] = [];
const connect = (options: ConnectRedisOptions): RedisConnection => {
  const redis = connectRedis(options);
  open.push(redis);
  return redis;
};
/** What is said on stderr: log lines, and what ioredis says of errors that nobody listens to. */
let said: string[];
const unhandled = vi.fn();

beforeEach(() => {
  said = [];
  const keep = (text: unknown) => said.push(String(text)) > 0;
  vi.spyOn(process.stderr, 'write').mockImplementation(keep);
  vi.spyOn(console, 'error').mockImplementation(keep);
  vi.spyOn(console, 'warn').mockImplementation(keep);
  process.on('unhandledRejection', unhandled).on('uncaughtExceptionMonitor', unhandled);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((redis) => redis.close()));
  process.off('unhandledRejection', unhandled).off('uncaughtExceptionMonitor', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
  expect(said.join('')).not.toContain('[ioredis]');
  expect(said.join('')).not.toContain('s3cret');
  resetInfra();
});

const signal = AbortSignal.timeout(60_000);
const failure = async (work: Promise<unknown>) => {
  const startedAt = performance.now();
  const error = await work.then(
    () => expect.fail('expected it to fail'),
    (thrown: unknown) => thrown as Error & { code: string; retryable: boolean },
  );
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('s3cret');
  return { error, code: error.code, ms: performance.now() - startedAt };
};

describeWith('redis', 'a connection to one server', { password: 's3cret' }, (server) => {
  const url = () => server().url;

  test('works with the client, by name, in the database of the URL', async () => {
    const redis = connect({ url: `${url()}/3`, name: 'orders' });
    await redis.ready();
    await redis.run((client) => client.call('SET', 'greeting', 'hello'));
    expect(await redis.run((client) => client.call('GET', 'greeting'))).toBe('hello');
    expect(await redis.client.call('CLIENT', 'GETNAME')).toBe('orders');
    expect(await redis.client.call('CLIENT', 'INFO')).toContain(' db=3 ');
    expect(redis.address).toBe(`redis://127.0.0.1:${server().port}/3`);
    expect(await redis.client.pipeline([['get', 'greeting']]).exec()).toEqual([[null, 'hello']]);
  });

  test('connects at the first run where nobody called ready', async () => {
    const redis = connect({ url: url() });
    expect(() => redis.client).toThrow(expect.objectContaining({ code: 'E_REDIS_NOT_READY' }));
    expect(await redis.run((client) => client.call('PING'))).toBe('PONG');
  });

  test('connects once, however many wait', async () => {
    const redis = connect({ url: url(), name: 'once' });
    await Promise.all([redis.ready(), redis.ready(), redis.run((client) => client.call('PING'))]);
    await redis.ready();
    const clients = String(await redis.client.call('CLIENT', 'LIST'));
    expect(clients.match(/ name=once /g)).toHaveLength(1);
  });

  test.each([
    ['wrong', (right: string) => right.replace('s3cret', 's3cret-wrong'), /WRONGPASS/],
    ['missing', (right: string) => right.replace(':s3cret@', ''), /NOAUTH|Authentication required/],
    ['of an unknown user', (right: string) => right.replace(':s3cret', 'nobody:s3cret'), /WRONGPASS/],
  ])('a password that is %s is one coded error at once, without the password', async (_, change, words) => {
    const redis = connect({ url: change(url()), connectTimeout: '60s' });
    const { code, error, ms } = await failure(redis.ready());
    expect(code).toBe('E_REDIS_AUTH');
    expect(error.message).toMatch(words);
    expect(error.message).toContain(`127.0.0.1:${server().port}`);
    expect(ms).toBeLessThan(15_000);
    expect((await failure(redis.run((client) => client.call('PING')))).code).toBe('E_REDIS_AUTH');
  });

  test('a database that is not there is a coded error, and nothing is written into another one', async () => {
    const redis = connect({ url: `${url()}/99` });
    const { code, error } = await failure(redis.run((client) => client.call('SET', 'stray', '1')));
    expect([code, error.message]).toEqual([
      'E_REDIS_SETUP',
      expect.stringContaining('DB index is out of range'),
    ]);
    expect(await server().command('EXISTS', 'stray')).toBe('0');
  });

  test('TLS to a server without it is a coded error that says so', async () => {
    const redis = connect({ url: url().replace('redis:', 'rediss:'), connectTimeout: '3s' });
    const { code, error } = await failure(redis.ready());
    expect([code, error.message]).toEqual([
      'E_REDIS_TLS',
      expect.stringContaining('use rediss:// for a TLS port'),
    ]);
  });

  test('a server that is no cluster, asked for as one, is a coded error', async () => {
    const redis = connect({ url: url().replace('redis:', 'redis+cluster:') });
    const { code, error } = await failure(redis.ready());
    expect([code, error.message]).toEqual([
      'E_REDIS_SETUP',
      expect.stringContaining('cluster support disabled'),
    ]);
  });

  test('a wrong password for a cluster is a coded error', async () => {
    const redis = connect({ url: `redis+cluster://:s3cret-wrong@127.0.0.1:${server().port}` });
    expect((await failure(redis.ready())).code).toBe('E_REDIS_AUTH');
  });

  test('a refused command is a coded error with the word of the server, and without what was sent', async () => {
    const redis = connect({ url: url() });
    await redis.run((client) => client.call('SET', 'text', 'x'));
    const { error } = await failure(redis.run((client) => client.call('LPUSH', 'text', 'a s3cret value')));
    expect(error).toMatchObject({ code: 'E_REDIS_REPLY', reply: 'WRONGTYPE', retryable: false });
  });

  test('what the work itself throws passes as it is', async () => {
    const mine = new TypeError('mine');
    const redis = connect({ url: url() });
    await expect(redis.run(() => Promise.reject(mine))).rejects.toBe(mine);
    await expect(
      redis.run(() => {
        throw mine;
      }),
    ).rejects.toBe(mine);
  });

  test('a command that blocks is bounded by the timeout, unless that is off', async () => {
    const redis = connect({ url: url(), commandTimeout: 200 });
    const { code, ms } = await failure(redis.run((client) => client.call('BLPOP', 'nothing', '30')));
    expect(code).toBe('E_REDIS_TIMEOUT');
    expect(ms).toBeLessThan(10_000);
    const patient = connect({ url: url(), commandTimeout: false });
    expect(await patient.run((client) => client.call('BLPOP', 'nothing', '0.4'))).toBeNull();
  });

  test('a duplicate is a connection of its own', async () => {
    const redis = connect({ url: url() });
    const second = redis.duplicate('second');
    open.push(second);
    await second.ready();
    await redis.ready();
    await redis.close();
    expect(await second.run((client) => client.call('CLIENT', 'GETNAME'))).toBe('second');
  });

  test('close lets replies in, ends the connection, can be repeated, and refuses what comes later', async () => {
    const redis = connect({ url: url(), name: 'closing' });
    await redis.ready();
    const reply = redis.client.call('PING');
    await Promise.all([redis.close(), redis.close()]);
    expect(await reply).toBe('PONG');
    expect(await server().command('CLIENT', 'LIST')).not.toContain('name=closing');
    expect((await failure(redis.ready())).code).toBe('E_REDIS_CLOSED');
    expect((await failure(redis.run((client) => client.call('PING')))).code).toBe('E_REDIS_CLOSED');
    expect(() => redis.client).toThrow(expect.objectContaining({ code: 'E_REDIS_CLOSED' }));
  });

  test('a client that was ended behind its back is replaced at the next call', async () => {
    const redis = connect({ url: url() });
    await redis.ready();
    const { client } = redis;
    await client.quit();
    await vi.waitFor(() => expect(client.status).toBe('end'), 20_000);
    expect(await redis.run((other) => other.call('PING'))).toBe('PONG');
    expect(redis.client).not.toBe(client);
  });

  test('close does not wait for a command that blocks', async () => {
    const redis = connect({ url: url(), commandTimeout: false });
    await redis.ready();
    const blocked = redis.client.call('BLPOP', 'nothing', '0').catch(() => 'ended');
    await wait(50);
    const startedAt = performance.now();
    await redis.close();
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(await blocked).toBe('ended');
  });

  test('close before and during connecting leaves nothing open', async () => {
    const never = connect({ url: url(), name: 'never' });
    await never.close();
    const during = connect({ url: url(), name: 'during' });
    const ready = failure(during.ready());
    await during.close();
    expect((await ready).code).toBe('E_REDIS_CLOSED');
    await wait(100);
    expect(await server().command('CLIENT', 'LIST')).not.toMatch(/name=(never|during)/);
  });

  test('a shutdown closes it', async () => {
    const redis = connect({ url: url(), name: 'worker' });
    await redis.ready();
    const report = await shutdown('test');
    expect(report.hooks).toMatchObject([{ name: 'redis worker', phase: 'close', status: 'done' }]);
    expect((await failure(redis.ready())).code).toBe('E_REDIS_CLOSED');
  });

  test.each([
    ['5.11', () => new Redis5(url())],
    ['6', () => new Redis6(url())],
  ])('a client of ioredis %s that the application passes in is used and never closed', async (_, make) => {
    const client = make();
    const redis = connect({ client });
    await redis.ready();
    expect(redis.client).toBe(client);
    expect(await redis.run((same) => same.call('PING'))).toBe('PONG');
    expect((await failure(redis.run((same) => same.call('NONSENSE')))).code).toBe('E_REDIS_REPLY');
    const listeners = client.listenerCount('error');
    const copy = redis.duplicate();
    await copy.ready();
    expect(copy.client).not.toBe(client);
    const { client: copied } = copy;
    await copy.close();
    await vi.waitFor(() => expect(copied.status).toBe('end'));
    await redis.close();
    expect(client.listenerCount('error')).toBe(listeners - 1);
    expect(await client.ping()).toBe('PONG');
    await client.quit();
  });

  test('a passed client that is not connected yet is connected', async () => {
    const client = new Redis6(url(), { lazyConnect: true });
    const redis = connect({ client });
    await redis.ready();
    expect(client.status).toBe('ready');
    await redis.close();
    client.disconnect();
  });

  test('the health check makes a round trip on the connection, or on all that are open', async () => {
    expect(await redisHealthCheck()({ signal })).toMatchObject({
      status: 'ok',
      message: 'no connection is open',
    });
    const redis = connect({ url: url(), name: 'one' });
    connect({ url: url(), name: 'two' });
    expect(await redisHealthCheck(redis)({ signal })).toMatchObject({
      status: 'ok',
      data: { connections: [expect.stringMatching(/^one: redis:\/\/127\.0\.0\.1:\d+ answered in \d+ ms$/)] },
    });
    expect((await redisHealthCheck()({ signal })).data?.connections).toHaveLength(2);
  });
});

describeWith('redis', 'a server that goes and comes back', { own: true }, (server) => {
  test('a frozen server costs a command its timeout, and works again when it thaws', async () => {
    const redis = connect({ url: server().url, commandTimeout: 300 });
    const slow = connect({ url: server().url, commandTimeout: '30s' });
    await Promise.all([redis.ready(), slow.ready()]);
    server().pause();
    try {
      const { error, ms } = await failure(redis.run((client) => client.call('PING')));
      expect(error).toMatchObject({ code: 'E_REDIS_TIMEOUT', retryable: true });
      expect(ms).toBeLessThan(10_000);
      const askedAt = performance.now();
      const health = await redisHealthCheck(slow)({ signal: AbortSignal.timeout(100) });
      expect(health.status).toBe('error');
      expect(performance.now() - askedAt).toBeLessThan(15_000);
    } finally {
      server().resume();
    }
    await vi.waitFor(
      async () => expect(await redis.run((client) => client.call('PING'))).toBe('PONG'),
      20_000,
    );
  });

  test('a server that turns read-only refuses a write, and the connection is made anew to find the new master', async () => {
    const redis = connect({ url: server().url });
    const id = await redis.run((client) => client.call('CLIENT', 'ID'));
    await server().command('REPLICAOF', '127.0.0.1', '1');
    try {
      const { error } = await failure(redis.run((client) => client.call('SET', 'a', '1')));
      expect(error).toMatchObject({ code: 'E_REDIS_REPLY', reply: 'READONLY', retryable: true });
      await vi.waitFor(
        async () => expect(await redis.run((client) => client.call('CLIENT', 'ID'))).not.toBe(id),
        20_000,
      );
    } finally {
      await server().command('REPLICAOF', 'NO', 'ONE');
    }
  });

  test('a transaction that a full server refuses says so, and may be tried again', async () => {
    const redis = connect({ url: server().url });
    await redis.ready();
    await server().command('CONFIG', 'SET', 'maxmemory', '1');
    try {
      const { error } = await failure(
        redis.run((client) => (client as Redis6).multi().set('a', '1').set('b', '2').exec()),
      );
      expect(error).toMatchObject({
        ...{ code: 'E_REDIS_REPLY', reply: 'OOM', retryable: true },
        message: expect.stringMatching(/'maxmemory'\.$/),
      });
    } finally {
      await server().command('CONFIG', 'SET', 'maxmemory', '0');
    }
  });

  test('a connection that gets no reply is made anew', async () => {
    const redis = connect({ url: server().url, commandTimeout: 200, name: 'half-open' });
    await redis.ready();
    const id = await redis.run((client) => client.call('CLIENT', 'ID'));
    server().pause();
    await failure(redis.run((client) => client.call('PING')));
    await vi.waitFor(() => expect(redis.client.status).not.toBe('ready'), 20_000);
    server().resume();
    await vi.waitFor(
      async () => expect(await redis.run((client) => client.call('CLIENT', 'ID'))).not.toBe(id),
      20_000,
    );
  });

  test('gone in the middle: a coded error within the deadline, then recovery without a restart', async () => {
    const redis = connect({ url: server().url, commandTimeout: '1s', name: 'middle' });
    await redis.ready();
    await server().kill();
    const { error, ms } = await failure(redis.run((client) => client.call('PING')));
    expect(error).toMatchObject({ code: 'E_REDIS_UNAVAILABLE', retryable: true });
    expect(ms).toBeLessThan(10_000);
    expect((await redisHealthCheck(redis)({ signal })).status).toBe('error');
    await server().restart();
    await vi.waitFor(
      async () => expect(await redis.run((client) => client.call('PING'))).toBe('PONG'),
      20_000,
    );
    const lines = said.filter((line) => line.includes('"connection":"middle"'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('the connection to Redis is lost and tried again');
  });

  test('gone at the start: a coded error within the deadline, then recovery without a restart', async () => {
    await server().kill();
    const redis = connect({ url: server().url, connectTimeout: 700, commandTimeout: 500 });
    const { error, ms } = await failure(redis.ready());
    expect(error).toMatchObject({ code: 'E_REDIS_CONNECT', retryable: true });
    expect(error.message).toContain('ECONNREFUSED');
    expect(ms).toBeLessThan(10_000);
    const late = await failure(redis.run((client) => client.call('PING')));
    expect([late.code, late.ms < 10_000]).toEqual(['E_REDIS_UNAVAILABLE', true]);
    await server().restart();
    await vi.waitFor(
      async () => expect(await redis.run((client) => client.call('PING'))).toBe('PONG'),
      20_000,
    );
    await redis.ready();
  });

  test('ready outlasts a server that comes up within its time', async () => {
    await server().kill();
    const redis = connect({ url: server().url, connectTimeout: '15s' });
    const ready = redis.ready();
    await wait(300);
    await server().restart();
    await ready;
  });

  test('without an offline queue a command fails at once while the server is away', async () => {
    const redis = connect({ url: server().url, offlineQueue: false, commandTimeout: '30s' });
    await redis.ready();
    await server().kill();
    await vi.waitFor(() => expect(redis.client.status).not.toBe('ready'));
    const { code, ms } = await failure(redis.run((client) => client.call('PING')));
    expect([code, ms < 10_000]).toEqual(['E_REDIS_UNAVAILABLE', true]);
    await server().restart();
  });

  test('commands that wait fail after maxRetries reconnections', async () => {
    const redis = connect({ url: server().url, maxRetries: 1, commandTimeout: '30s' });
    await redis.ready();
    await server().kill();
    const { code, ms } = await failure(redis.run((client) => client.call('PING')));
    expect([code, ms < 15_000]).toEqual(['E_REDIS_UNAVAILABLE', true]);
    await server().restart();
  });

  test('so does a transaction, whose commands and end all fail by one error', async () => {
    const redis = connect({ url: server().url, maxRetries: 1, commandTimeout: '30s' });
    await redis.ready();
    await server().kill();
    const { error } = await failure(
      redis.run((client) => (client as Redis6).multi().set('a', '1').set('b', '2').exec()),
    );
    expect(error).toMatchObject({ code: 'E_REDIS_UNAVAILABLE', retryable: true });
    await server().restart();
  });
});

test('a host that does not exist is a coded error that names it', async () => {
  const redis = connect({ url: 'redis://:s3cret@no-such-host.invalid', connectTimeout: 500 });
  const { code, error } = await failure(redis.ready());
  expect([code, error.message]).toEqual(['E_REDIS_CONNECT', expect.stringContaining('no-such-host.invalid')]);
});

test('a port on which nothing listens is a coded error within the deadline', async () => {
  const redis = connect({ url: `redis://127.0.0.1:${await freePort()}`, connectTimeout: 300 });
  const { code, ms } = await failure(redis.ready());
  expect([code, ms < 10_000]).toEqual(['E_REDIS_CONNECT', true]);
});

test.each([
  ['says nothing', (_: Socket) => undefined, 'E_REDIS_CONNECT', /not ready after 300 ms/],
  [
    'hangs up at once',
    (socket: Socket) => void socket.destroy(),
    'E_REDIS_CONNECT',
    /not ready after 300 ms/,
  ],
  [
    'speaks something else',
    (socket: Socket) => void socket.write('SSH-2.0-x\r\n'),
    'E_REDIS_SETUP',
    /speaks another protocol/,
  ],
])('a server that %s is a coded error', async (_, behave, code, words) => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    behave(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const redis = connect({ url: `redis://127.0.0.1:${port}`, connectTimeout: 300 });
  const seen = await failure(redis.ready());
  expect(seen.code).toBe(code);
  expect(seen.error.message).toMatch(words);
  await redis.close();
  for (const socket of sockets) socket.destroy();
  server.close();
});
