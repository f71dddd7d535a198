import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig, describeConfig, modulesInUse } from '@vibeonrails/infra-core';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { loadedBy, loadedFiles } from '@vibeonrails/vitest-config/examples';
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5';
import { afterEach, expect, test } from 'vitest';
import * as root from '../src/index.ts';
import { reconnectDelay } from '../src/ioredis.ts';
import { VERSION } from '../src/module.ts';
import * as address from '../src/url.ts';
import * as variables from '../src/variables.ts';

const { connectRedis } = root;
const folder = new URL('..', import.meta.url);
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
      "mastersOf",
      "redisHealthCheck",
    ]
  `);
  expect(Object.keys(address).sort()).toMatchInlineSnapshot(`
    [
      "REDIS_URL_FORM",
      "describeTarget",
      "parseRedisUrl",
      "redisVariables",
    ]
  `);
  expect(Object.keys(variables).sort()).toMatchInlineSnapshot(`
    [
      "AddressProblem",
      "REDIS_URL_FORM",
      "describeTarget",
      "readAddress",
      "redisVariables",
    ]
  `);
});

test('the version is the one of package.json', () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(VERSION).toBe(version);
});

test('importing it loads no library, ioredis least of all', async () => {
  expect(await loadedBy(folder, '@vibeonrails/infra-redis')).toEqual([]);
});

test.each([
  ['', 'connect connection core errors index module nodes variables'.split(' ')],
  ['/variables', ['variables']],
])('importing its entry "%s" loads no more of itself than it must', async (entry, expected) => {
  const src = fileURLToPath(new URL('src/', folder));
  const own = (await loadedFiles(folder, `@vibeonrails/infra-redis${entry}`)).filter((f) =>
    f.startsWith(src),
  );
  expect(own.map((file) => basename(file, '.ts'))).toEqual(expected);
  for (const file of own)
    expect(readFileSync(file, 'utf8'), file).not.toMatch(/^import (?!type\b).* from 'node:/m);
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

test('its variables are described once they are asked for, and never shown', async () => {
  const env = { REDIS_URL: 'redis://:s3cret@h' };
  await connectRedis({ for: 'queue', env }).close();
  const described = describeConfig(env).filter((one) => one.package.endsWith('infra-redis'));
  expect(described.map(({ variable, set, secret }) => [variable, set, secret])).toEqual([
    ['QUEUE_REDIS_URL', false, true],
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

test.each(['REALTIME_REDIS_URL', 'REDIS_URL'])(
  'a wrong %s is named by itself, and its value is not',
  (variable) => {
    const make = () => connectRedis({ for: 'realtime', env: { [variable]: 'redis://:s3cret@a,b' } });
    expect(make).toThrow(expect.objectContaining({ code: 'E_CONFIG' }));
    expect(make).toThrow(
      new RegExp(
        `one problem:\\n  ${variable} \\(@vibeonrails/infra-redis\\) is not valid: expected redis://`,
      ),
    );
    expect(make).toThrow(expect.objectContaining({ message: expect.not.stringContaining('s3cret') }));
  },
);

test('the variables of other modules are none of its business', async () => {
  const env = { REDIS_URL: 'redis://shared', QUEUE_REDIS_URL: 'nonsense' };
  await connectRedis({ for: 'cache', env }).close();
  await connectRedis({ env }).close();
});

test('a module that declares its variables has each wrong one named once, as it was set', () => {
  const shape = address.redisVariables('CACHE_REDIS_URL', 'the Redis of the cache');
  const config = defineConfig(shape, { package: 'the cache' });
  const good = 'rediss+sentinel://:s3cret@a,b/main';
  expect(config.read({ REDIS_URL: good })).toEqual({ CACHE_REDIS_URL: undefined, REDIS_URL: good });
  expect(() => config.read({ REDIS_URL: 'redis://h:99999' })).toThrow(
    /one problem:\n {2}REDIS_URL \(the cache\) is not valid: expected redis:/,
  );
  expect(() => config.read({ CACHE_REDIS_URL: 'redis:/h', REDIS_URL: good })).toThrow(
    /one problem:\n {2}CACHE_REDIS_URL /,
  );
  expect(describeConfig({ REDIS_URL: good }).filter((one) => one.package === 'the cache')).toEqual([
    expect.objectContaining({ variable: 'CACHE_REDIS_URL', set: false, secret: true, required: false }),
    expect.objectContaining({
      variable: 'REDIS_URL',
      set: true,
      secret: true,
      form: address.REDIS_URL_FORM,
    }),
  ]);
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
