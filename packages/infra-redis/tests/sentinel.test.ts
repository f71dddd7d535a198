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
beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
afterEach(async () => {
  await Promise.all(open.splice(0).map((redis) => redis.close()));
  resetInfra();
});

describeWith('redis', 'a connection through Sentinel', { own: true, password: 's3cret' }, (master) => {
  // The server may run in docker, where a Sentinel could not reach it by the address it tells.
  if (!program)
    return void describe.skip('skipped: no redis-server on the PATH to run as Sentinel', () =>
      test('', () => undefined));
  let sentinel: Awaited<ReturnType<typeof startSentinel>>;
  let replica: RunningRedis;

  beforeAll(async () => {
    const found = await service('redis', { own: true });
    if (!found.available) throw new Error(found.reason);
    const args = ['--replicaof', '127.0.0.1', String(master().port), '--masterauth', 's3cret'];
    replica = await found.start({ password: 's3cret', args });
    sentinel = await startSentinel(master(), 's3cret');
    const probe = connect({
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
    await sentinel?.stop();
    await replica?.stop();
  });

  const url = (name = 'mymaster', password = 's3cret', sentinelPassword = 'sentinel-s3cret') =>
    `redis+sentinel://:${password}@127.0.0.1:${sentinel.port}/${name}/2?sentinelPassword=${sentinelPassword}`;

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

  test('a failover is survived without a restart', async () => {
    const redis = connect({ url: url(), commandTimeout: '1s' });
    const fast = connect({ url: url(), commandTimeout: '20s', failFast: true });
    await Promise.all([redis.ready(), fast.ready()]);
    await redis.run((client) => client.call('SET', 'before', '1'));
    await master().kill();
    await vi.waitFor(() => expect(fast.client.status).not.toBe('ready'), 20_000);
    await expect(fast.run((client) => client.call('PING'))).rejects.toMatchObject({
      code: 'E_REDIS_UNAVAILABLE',
      message: expect.stringContaining('the connection is down'),
    });
    await expect(redis.run((client) => client.call('SET', 'during', '1'))).rejects.toMatchObject({
      retryable: true,
    });
    await vi.waitFor(() => redis.run((client) => client.call('SET', 'after', '1')), 25_000);
    expect(await replica.command('ROLE')).toBeDefined();
    expect(await redis.run((client) => client.call('GET', 'after'))).toBe('1');
    await vi.waitFor(
      async () => expect(await fast.run((client) => client.call('GET', 'after'))).toBe('1'),
      20_000,
    );
  }, 60_000);
});
