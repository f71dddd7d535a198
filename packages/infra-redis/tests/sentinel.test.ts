import type { EventEmitter } from 'node:events';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { type RunningRedis, service } from '@vibeonrails/services';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ConnectRedisOptions, connectRedis, type RedisConnection } from '../src/index.ts';
import { program, startSentinel } from './sentinel-server.ts';

const open: RedisConnection[] = [];
const connect = (options: ConnectRedisOptions): RedisConnection => {
  const redis = connectRedis(options);
  open.push(redis);
  return redis;
};
/** A loaded machine may take its time. */
const eventually = { timeout: 40_000, interval: 20 };

/** What ioredis prints of errors that nobody listens to. */
const printed = vi.fn();
beforeEach(() => {
  printed.mockClear();
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  vi.spyOn(console, 'error').mockImplementation(printed);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((redis) => redis.close()));
  expect(printed).not.toHaveBeenCalled();
  resetInfra();
});

/** What hears of a new master, inside a client of ioredis 6. */
interface Detecting {
  readonly connector: {
    readonly failoverDetector: { readonly sentinels: readonly { readonly client: EventEmitter }[] };
  };
}

/** Has a Sentinel watch a master with one replica while the tests of a suite run. */
function watchedBySentinel(master: () => RunningRedis) {
  let sentinel: Awaited<ReturnType<typeof startSentinel>>;
  let replica: RunningRedis;
  let probe: RedisConnection;

  beforeAll(async () => {
    const found = await service('redis', { own: true });
    if (!found.available) throw new Error(found.reason);
    await master().command('CONFIG', 'SET', 'masterauth', 's3cret');
    const args = ['--replicaof', '127.0.0.1', String(master().port), '--masterauth', 's3cret'];
    replica = await found.start({ password: 's3cret', args });
    sentinel = await startSentinel(master(), 's3cret');
    probe = connectRedis({
      url: `redis://:sentinel-s3cret@127.0.0.1:${sentinel.port}`,
      connectTimeout: '10s',
    });
    await probe.ready();
    await vi.waitFor(async () => {
      const told = await probe.run((client) => client.call('SENTINEL', 'REPLICAS', 'mymaster'));
      expect(told).toHaveLength(1);
    }, 20_000);
  });
  afterAll(async () => {
    await probe?.close();
    await sentinel?.stop();
    await replica?.stop();
  });
  const url = (name = 'mymaster', password = 's3cret', sentinelPassword = 'sentinel-s3cret') =>
    `redis+sentinel://:${password}@127.0.0.1:${sentinel.port}/${name}/2?sentinelPassword=${sentinelPassword}`;
  return { url, probe: () => probe, replica: () => replica };
}

const NO_SENTINEL = 'skipped: no redis-server on the PATH to run as Sentinel';

describeWith('redis', 'a connection through Sentinel', { own: true, password: 's3cret' }, (master) => {
  // The server may run in docker, where a Sentinel could not reach it by the address it tells.
  if (!program) return void describe.skip(NO_SENTINEL, () => test('', () => undefined));
  const { url } = watchedBySentinel(master);

  test('finds the master, in the database of the URL', async () => {
    const redis = connect({ url: url() });
    await redis.ready();
    expect(await redis.run((client) => client.call('ROLE'))).toContain('master');
    expect(await redis.run((client) => client.call('CLIENT', 'INFO'))).toContain(' db=2 ');
  });

  test('a wrong password of the Sentinel or the server is a coded error at once', async () => {
    await expect(connect({ url: url('mymaster', 'wrong') }).ready()).rejects.toMatchObject({
      code: 'E_REDIS_AUTH',
    });
    const refused = connect({ url: url('mymaster', 's3cret', 'wrong') });
    await expect(refused.ready()).rejects.toMatchObject({ code: 'E_REDIS_AUTH' });
  });

  test('a master that the Sentinel does not know is a coded error within the deadline', async () => {
    const redis = connect({ url: url('other'), connectTimeout: 500 });
    await expect(redis.ready()).rejects.toMatchObject({ code: 'E_REDIS_CONNECT' });
  });

  test('word of a new master does not end a client that is looking for it', async () => {
    const redis = connect({ url: url() });
    await redis.ready();
    const { client } = redis;
    const { sentinels } = (client as unknown as Detecting).connector.failoverDetector;
    const ended = vi.fn();
    client.on('end', ended);
    const looking = new Promise<void>((resolve) => {
      client.on('connecting', () => {
        for (const sentinel of sentinels) sentinel.client.emit('message', '+switch-master', 'mymaster');
        resolve();
      });
    });
    await master().command('CLIENT', 'KILL', 'TYPE', 'normal');
    await looking;
    await vi.waitFor(() => redis.run((one) => one.call('PING')), eventually);
    expect(ended).not.toHaveBeenCalled();
    expect(redis.client).toBe(client);
  });

  test('a failover is survived without a restart', async () => {
    const redis = connect({ url: url(), commandTimeout: '1s' });
    const fast = connect({ url: url(), commandTimeout: '20s', failFast: true });
    await Promise.all([redis.ready(), fast.ready()]);
    const ended = vi.fn();
    for (const { client } of [redis, fast]) client.on('end', ended);
    await redis.run((client) => client.call('SET', 'before', '1'));
    await master().kill();
    await vi.waitFor(() => expect(fast.client.status).not.toBe('ready'), eventually);
    await expect(fast.run((client) => client.call('PING'))).rejects.toMatchObject({
      code: 'E_REDIS_UNAVAILABLE',
      message: expect.stringContaining('the connection is down'),
    });
    // It may wait until the failover is over, or for its own time.
    const during = await redis
      .run((client) => client.call('SET', 'during', '1'))
      .catch((error: unknown) => error);
    if (during !== 'OK') expect(during).toMatchObject({ retryable: true });
    await vi.waitFor(() => redis.run((client) => client.call('SET', 'after', '1')), eventually);
    expect(await redis.run((client) => client.call('GET', 'after'))).toBe('1');
    await vi.waitFor(
      async () => expect(await fast.run((client) => client.call('GET', 'after'))).toBe('1'),
      eventually,
    );
    expect(ended).not.toHaveBeenCalled();
  });
});

describeWith('redis', 'a master that Sentinel demotes', { own: true, password: 's3cret' }, (master) => {
  if (!program) return void describe.skip(NO_SENTINEL, () => test('', () => undefined));
  const { url, probe, replica } = watchedBySentinel(master);

  test('is left for the new one, though it lives', async () => {
    const isKnown = async (): Promise<void> => {
      const replicas = await probe().run((client) => client.call('SENTINEL', 'REPLICAS', 'mymaster'));
      const flat = (replicas as unknown[][]).flat();
      expect(flat[flat.indexOf('flags') + 1]).toBe('slave');
    };
    await vi.waitFor(isKnown, eventually);
    const redis = connect({ url: url() });
    const reader = connect({ url: url(), failFast: true });
    await Promise.all([redis.ready(), reader.ready()]);
    const portOf = (one: RedisConnection) => one.run((client) => client.call('CONFIG', 'GET', 'port'));
    expect(await portOf(reader)).toEqual(['port', String(master().port)]);
    await vi.waitFor(
      () => probe().run((client) => client.call('SENTINEL', 'FAILOVER', 'mymaster')),
      eventually,
    );
    for (const one of [redis, reader])
      await vi.waitFor(
        async () => expect(await portOf(one)).toEqual(['port', String(replica().port)]),
        eventually,
      );
    expect(await redis.run((client) => client.call('SET', 'moved', '1'))).toBe('OK');
  });
});
