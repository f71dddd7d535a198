import { resetInfra } from '@vibeonrails/infra-core/testing';
import { describeWith } from '@vibeonrails/services/vitest';
import { Cluster as Cluster5 } from 'ioredis5';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connectRedis, type RedisConnection, redisHealthCheck } from '../src/index.ts';

const open: RedisConnection[] = [];
const connect = (...[options]: Parameters<typeof connectRedis>): RedisConnection => {
  const redis = connectRedis(options);
  open.push(redis);
  return redis;
};
beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
afterEach(async () => {
  await Promise.all(open.splice(0).map((redis) => redis.close()));
  resetInfra();
});
const signal = AbortSignal.timeout(60_000);

describeWith('redis-cluster', 'a cluster of three masters', { masters: 3 }, (cluster) => {
  const url = (count = 3) =>
    `redis+cluster://${cluster()
      .nodes.slice(0, count)
      .map(({ host, port }) => `${host}:${port}`)
      .join(',')}`;

  test('keys are found on every master, also from one node alone', async () => {
    const redis = connect({ url: url(1) });
    await redis.ready();
    const keys = Array.from({ length: 30 }, (_, i) => `key:${i}`);
    await Promise.all(keys.map((key) => redis.run((client) => client.call('SET', key, key))));
    expect(await Promise.all(keys.map((key) => redis.run((client) => client.call('GET', key))))).toEqual(
      keys,
    );
    for (const node of cluster().nodes) expect(Number(await node.command('DBSIZE'))).toBeGreaterThan(0);
  });

  test('the health check asks every master', async () => {
    const redis = connect({ url: url() });
    expect((await redisHealthCheck(redis)({ signal })).status).toBe('ok');
    cluster().nodes[2]?.pause();
    try {
      const health = await redisHealthCheck(redis)({ signal: AbortSignal.timeout(500) });
      expect(health.status).toBe('error');
    } finally {
      cluster().nodes[2]?.resume();
    }
  });

  test('a URL of one server leads to a coded error with the way to the cluster', async () => {
    const redis = connect({ url: cluster().url });
    const keys = Array.from({ length: 10 }, (_, i) => `key:${i}`);
    const all = Promise.all(keys.map((key) => redis.run((client) => client.call('SET', key, '1'))));
    await expect(all).rejects.toMatchObject({
      code: 'E_REDIS_REPLY',
      reply: 'MOVED',
      message: expect.stringContaining('redis+cluster://'),
    });
  });

  test('a cluster client of ioredis 5.11 that the application passes in is used and never closed', async () => {
    const client = new Cluster5(cluster().nodes.map(({ host, port }) => ({ host, port })));
    const redis = connect({ client });
    await redis.ready();
    expect((await redisHealthCheck(redis)({ signal })).status).toBe('ok');
    await redis.close();
    expect(await client.set('still', 'open')).toBe('OK');
    await client.quit();
  });

  test('one dead master is a coded error for its keys, and recovers', async () => {
    const redis = connect({ url: url(), commandTimeout: 500 });
    await redis.ready();
    const [node] = cluster().nodes;
    await node?.kill();
    const write = (key: string) => redis.run((client) => client.call('SET', key, '1'));
    const keys = Array.from({ length: 30 }, (_, i) => `key:${i}`);
    const outcomes = await Promise.allSettled(keys.map(write));
    const failed = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(failed.length).toBeGreaterThan(0);
    for (const { code, retryable } of failed) {
      expect(['E_REDIS_UNAVAILABLE', 'E_REDIS_TIMEOUT', 'E_REDIS_REPLY']).toContain(code);
      expect(retryable).toBe(true);
    }
    await node?.restart();
    await vi.waitFor(async () => {
      await Promise.all(keys.map(write));
    }, 15_000);
  });

  test('a cluster that is away is a coded error within the deadline, and ready once it is back', async () => {
    await Promise.all(cluster().nodes.map((node) => node.kill()));
    const redis = connect({ url: url(), connectTimeout: 800, commandTimeout: 500 });
    await expect(redis.ready()).rejects.toMatchObject({ code: 'E_REDIS_CONNECT', retryable: true });
    await expect(redis.run((client) => client.call('GET', 'a'))).rejects.toMatchObject({
      code: 'E_REDIS_UNAVAILABLE',
    });
    await Promise.all(cluster().nodes.map((node) => node.restart()));
    await vi.waitFor(() => redis.run((client) => client.call('GET', 'a')), 20_000);
  }, 40_000);
});
