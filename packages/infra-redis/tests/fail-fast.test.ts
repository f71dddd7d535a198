import { resetInfra } from '@vibeonrails/infra-core/testing';
import { describeWith } from '@vibeonrails/services/vitest';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type ConnectRedisOptions, connectRedis, mastersOf, type RedisConnection } from '../src/index.ts';

const open: RedisConnection[] = [];
/** What fails at once does so long before this. */
const LONG = '60s';
const connect = (options: ConnectRedisOptions): RedisConnection => {
  const redis = connectRedis({ failFast: true, connectTimeout: LONG, commandTimeout: LONG, ...options });
  open.push(redis);
  return redis;
};
const call = (redis: RedisConnection, ...[command, ...args]: [string, ...string[]]) =>
  redis.run((client) => client.call(command, ...args));
const eventually = { timeout: 20_000, interval: 20 };

beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
afterEach(async () => {
  await Promise.all(open.splice(0).map((redis) => redis.close()));
  resetInfra();
});

describeWith('redis', 'failing fast on one server', { own: true }, (server) => {
  test('connects at the first call, and works', async () => {
    const redis = connect({ url: server().url });
    expect(await call(redis, 'SET', 'a', '1')).toBe('OK');
    expect(mastersOf(redis.client)).toEqual([redis.client]);
  });

  test('the time of a call counts while it connects, and what is over is never sent', async () => {
    server().pause();
    const redis = connect({ url: server().url, commandTimeout: 200 });
    await expect(call(redis, 'INCR', 'late')).rejects.toMatchObject({
      code: 'E_REDIS_UNAVAILABLE',
      message: expect.stringContaining('no connection within 200 ms'),
    });
    server().resume();
    await redis.ready();
    expect(await server().command('EXISTS', 'late')).toBe('0');
    await vi.waitFor(async () => expect(await call(redis, 'INCR', 'late')).toBe(1), eventually);
  });

  test('a call while the connection is down fails at once, and its work is not begun', async () => {
    const redis = connect({ url: server().url });
    await redis.ready();
    await server().kill();
    await vi.waitFor(() => expect(redis.client.status).not.toBe('ready'), eventually);
    const work = vi.fn();
    await expect(redis.run(work)).rejects.toMatchObject({
      code: 'E_REDIS_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('the connection is down'),
    });
    expect(work).not.toHaveBeenCalled();
    await server().restart();
    await vi.waitFor(async () => expect(await call(redis, 'PING')).toBe('PONG'), eventually);
  });

  test('what was under way when the connection broke fails, and is not sent again', async () => {
    const redis = connect({ url: server().url });
    await redis.ready();
    const id = await call(redis, 'CLIENT', 'ID');
    const blocked = call(redis, 'BLPOP', 'list', '0');
    const lost = expect(blocked).rejects.toMatchObject({ code: 'E_REDIS_UNAVAILABLE' });
    await vi.waitFor(
      async () => expect(await server().command('CLIENT', 'LIST')).toMatch(/cmd=blpop/),
      eventually,
    );
    await server().command('CLIENT', 'KILL', 'ID', String(id));
    await lost;
    await vi.waitFor(() => call(redis, 'PING'), eventually);
    expect(await server().command('CLIENT', 'LIST')).not.toMatch(/cmd=blpop/);
  });

  test('a client of the application’s that keeps commands for later is not given any', async () => {
    const client = new Redis(server().url);
    client.on('error', () => undefined);
    const redis = connect({ client });
    await redis.ready();
    await server().kill();
    await vi.waitFor(() => expect(client.status).not.toBe('ready'), eventually);
    await expect(call(redis, 'INCR', 'kept')).rejects.toMatchObject({ code: 'E_REDIS_UNAVAILABLE' });
    await server().restart();
    await vi.waitFor(() => call(redis, 'PING'), eventually);
    expect(await server().command('EXISTS', 'kept')).toBe('0');
    client.disconnect();
  });

  test('its duplicates fail fast as well', async () => {
    const redis = connect({ url: server().url });
    const second = redis.duplicate('second');
    open.push(second);
    await second.ready();
    await server().kill();
    await vi.waitFor(() => expect(second.client.status).not.toBe('ready'), eventually);
    await expect(call(second, 'PING')).rejects.toMatchObject({ code: 'E_REDIS_UNAVAILABLE' });
    await server().restart();
  });
});

describeWith('redis-cluster', 'failing fast on a cluster', { masters: 3 }, (cluster) => {
  const url = () => cluster().url.replace('redis:', 'redis+cluster:');

  test('its masters are named in the same order each time', async () => {
    const redis = connect({ url: url() });
    await redis.ready();
    const ports = async () => {
      const told = mastersOf(redis.client).map((node) => node.call('CONFIG', 'GET', 'port'));
      return (await Promise.all(told)).map(String);
    };
    const first = await ports();
    expect([...first].sort()).toEqual(
      cluster()
        .nodes.map(({ port }) => `port,${port}`)
        .sort(),
    );
    expect(await ports()).toEqual(first);
  });

  test('a cluster that is down fails a call at once, and works again once it is back', async () => {
    const redis = connect({ url: url() });
    await redis.ready();
    await Promise.all(cluster().nodes.map((node) => node.kill()));
    // The client of a cluster notices when something is sent.
    for (let told = 0; told < 3; told += 1)
      await expect(call(redis, 'GET', 'a')).rejects.toMatchObject({ code: 'E_REDIS_UNAVAILABLE' });
    expect(redis.client.status).not.toBe('ready');
    await Promise.all(cluster().nodes.map((node) => node.restart()));
    await vi.waitFor(async () => expect(await call(redis, 'GET', 'a')).toBeNull(), {
      ...eventually,
      timeout: 40_000,
    });
  }, 60_000);
});
