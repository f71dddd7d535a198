import { readFileSync } from 'node:fs';
import { describeConfig, modulesInUse } from '@vibeonrails/infra-core';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { loadedBy } from '@vibeonrails/vitest-config/examples';
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5';
import { afterEach, expect, test } from 'vitest';
import * as root from '../src/index.ts';
import { reconnectDelay } from '../src/ioredis.ts';
import { VERSION } from '../src/version.ts';

const { connectRedis } = root;
afterEach(resetInfra);

test('the public names stay as they are', () => {
  expect(Object.keys(root).sort()).toMatchInlineSnapshot(`
    [
      "RedisAuthError",
      "RedisClientError",
      "RedisClosedError",
      "RedisConnectError",
      "RedisNotReadyError",
      "RedisReplyError",
      "RedisSetupError",
      "RedisTimeoutError",
      "RedisTlsError",
      "RedisUnavailableError",
      "RedisUrlError",
      "connectRedis",
      "redisHealthCheck",
    ]
  `);
});

test('the version is the one of package.json', () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(VERSION).toBe(version);
});

test('importing it loads no library, ioredis least of all', async () => {
  expect(await loadedBy(new URL('..', import.meta.url), '@vibeonrails/infra-redis')).toEqual([]);
});

test('clients of ioredis 5 and 6 fit the structural type', () => {
  const options = { lazyConnect: true };
  const clients = [
    new Redis5(options),
    new Redis6(options),
    new Cluster5([], options),
    new Cluster6([], options),
  ] satisfies root.RedisClient[];
  for (const client of clients) {
    for (const method of [
      'connect',
      'call',
      'callBuffer',
      'pipeline',
      'multi',
      'subscribe',
      'unsubscribe',
      'duplicate',
      'quit',
      'disconnect',
      'on',
      'off',
    ] as const)
      expect(client[method]).toBeTypeOf('function');
    expect(client.status).toBe('wait');
    expect(client.isCluster).toBeTypeOf('boolean');
  }
});

test('it is in use once imported, without a health check of its own', () => {
  const module = modulesInUse().find((one) => one.module === 'redis');
  expect(module).toMatchObject({ package: '@vibeonrails/infra-redis', contract: 1 });
  expect(module?.healthCheck).toBeUndefined();
});

test('its variables are described, and never shown', () => {
  const described = describeConfig({ REDIS_URL: 'redis://:s3cret@h' }).filter((one) =>
    one.package.endsWith('infra-redis'),
  );
  expect(described.map(({ variable, set, secret }) => [variable, set, secret])).toEqual([
    ['CACHE_REDIS_URL', false, true],
    ['QUEUE_REDIS_URL', false, true],
    ['REALTIME_REDIS_URL', false, true],
    ['REDIS_URL', true, true],
  ]);
  expect(JSON.stringify(described)).not.toContain('s3cret');
});

test.each([
  [{ for: 'queue' }, 'redis://queue:6379'],
  [{ for: 'cache' }, 'redis://shared:6379'],
  [{}, 'redis://shared:6379'],
  [{ for: 'queue', url: 'redis://option' }, 'redis://option:6379'],
] as const)('with %j it leads to %s', async (options, address) => {
  const env = { REDIS_URL: 'redis://shared', QUEUE_REDIS_URL: 'redis://queue', CACHE_REDIS_URL: '  ' };
  const redis = connectRedis({ ...options, env });
  expect(redis.address).toBe(address);
  await redis.close();
});

test('without an address it says which variables to set', () => {
  expect(() => connectRedis({ for: 'cache', env: {} })).toThrow(
    expect.objectContaining({
      code: 'E_REDIS_URL',
      message: expect.stringContaining('CACHE_REDIS_URL or REDIS_URL'),
    }),
  );
});

test('a wrong variable is named, and its value is not', () => {
  const make = () => connectRedis({ env: { REALTIME_REDIS_URL: 'redis://:s3cret@a,b' } });
  expect(make).toThrow(expect.objectContaining({ code: 'E_CONFIG' }));
  expect(make).toThrow(/REALTIME_REDIS_URL .* is not valid: expected redis:\/\//);
  expect(make).toThrow(expect.objectContaining({ message: expect.not.stringContaining('s3cret') }));
});

test('TLS options for a URL without TLS are refused', () => {
  expect(() => connectRedis({ url: 'redis://h', tls: { ca: 'x' } })).toThrow(
    expect.objectContaining({ code: 'E_REDIS_URL', message: expect.stringContaining('Write rediss') }),
  );
});

test('something that is no client, and one with a keyPrefix, are refused', () => {
  expect(() => connectRedis({ client: {} as root.RedisClient })).toThrow(
    expect.objectContaining({ code: 'E_REDIS_CLIENT' }),
  );
  const client = new Redis6({ lazyConnect: true, keyPrefix: 'app:' });
  expect(() => connectRedis({ client })).toThrow(/keyPrefix/);
});

test('the wait before a reconnection doubles up to five seconds, and half of it is random', () => {
  const bounds = (attempt: number) => [reconnectDelay(attempt, () => 0), reconnectDelay(attempt, () => 1)];
  expect(bounds(1)).toEqual([50, 100]);
  expect(bounds(2)).toEqual([100, 200]);
  expect(bounds(4)).toEqual([400, 800]);
  expect(bounds(7)).toEqual([2500, 5000]);
  expect(bounds(1_000_000)).toEqual([2500, 5000]);
});
