import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeConfig, modulesInUse, shutdown } from '@vibeonrails/infra-core';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { loadedBy, loadedFiles } from '@vibeonrails/vitest-config/examples';
import { afterEach, describe, expect, test, vi } from 'vitest';
import * as root from '../src/index.ts';
import { VERSION } from '../src/module.ts';
import * as testing from '../src/testing.ts';

const { cache, cacheHealthCheck, configureCache, createCache } = root;
const signal = AbortSignal.timeout(1000);
afterEach(resetInfra);

test('the public names stay as they are', () => {
  expect(Object.keys(root).sort()).toMatchInlineSnapshot(`
    [
      "CacheClosedError",
      "CacheCounterError",
      "CacheKeyError",
      "CacheSizeError",
      "CacheTimeoutError",
      "CacheTtlError",
      "CacheUnavailableError",
      "CacheValueError",
      "cache",
      "cacheHealthCheck",
      "configureCache",
      "createCache",
    ]
  `);
  expect(Object.keys(testing).sort()).toMatchInlineSnapshot(`
    [
      "cacheDriverSuite",
      "fakeCache",
    ]
  `);
});

test('the version is the one of package.json', () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(VERSION).toBe(version);
});

test('importing it loads no library, and no more of the packages below than their variables', async () => {
  const folder = new URL('..', import.meta.url);
  const name = '@vibeonrails/infra-cache';
  expect(await loadedBy(folder, name)).toEqual([]);
  const packages = fileURLToPath(new URL('..', folder));
  const files = (await loadedFiles(folder, name)).filter(
    (file) => file.startsWith(packages) && file.endsWith('.ts'),
  );
  const own = files.map((file) => relative(packages, file)).filter((file) => !file.startsWith('infra-core'));
  expect(own.map((file) => file.replace(/^infra-|src\/|\.ts$/g, ''))).toEqual([
    ...'client config core errors index module'.split(' ').map((file) => `cache/${file}`),
    'redis/variables',
  ]);
  for (const file of own)
    expect(readFileSync(`${packages}/${file}`, 'utf8'), file).not.toMatch(
      /^import (?!type\b).* from 'node:/m,
    );
});

test('it is in use once imported, and its variables are described', () => {
  expect(modulesInUse().map(({ module }) => module)).toContain('cache');
  expect(
    describeConfig({ CACHE_MAX_BYTES: '5000' }).filter((v) => v.package.endsWith('infra-cache')),
  ).toMatchObject([
    { variable: 'CACHE_DRIVER', form: 'one of memory, redis', set: false },
    { variable: 'CACHE_MAX_BYTES', default: '67108864', set: true },
    { variable: 'CACHE_NAMESPACE', default: 'cache', set: false },
    { variable: 'CACHE_REDIS_URL', secret: true, set: false },
    { variable: 'REDIS_URL', secret: true, set: false },
  ]);
});

test('the default cache is configured once, or replaced on demand', async () => {
  configureCache({ namespace: 'mine' });
  await cache.set('k', 1, '1m');
  expect(() => configureCache({})).toThrow(expect.objectContaining({ code: 'E_CACHE_CONFIGURED' }));
  configureCache({ replace: true });
  expect(await cache.get('k')).toBeUndefined();
});

test('a driver that does not exist is one coded error that names the variable', () => {
  expect(() => createCache({ env: { CACHE_DRIVER: 'memroy' } })).toThrow(
    /CACHE_DRIVER .* expected one of memory, redis/,
  );
  expect(() => createCache({ env: { CACHE_MAX_BYTES: '1' } })).toThrow(
    expect.objectContaining({ code: 'E_CONFIG' }),
  );
});

describe('the driver', () => {
  const REDIS = 'redis://127.0.0.1:1';
  test.each([
    ['CACHE_REDIS_URL', { CACHE_REDIS_URL: REDIS }, {}, 'redis'],
    ['REDIS_URL', { REDIS_URL: 'rediss+cluster://a:1,b:2' }, {}, 'redis'],
    ['the option redis.url', {}, { redis: { url: REDIS } }, 'redis'],
    ['CACHE_DRIVER before an address', { CACHE_DRIVER: 'memory', REDIS_URL: REDIS }, {}, 'memory'],
    [
      'the option driver before all',
      { CACHE_DRIVER: 'redis', REDIS_URL: REDIS },
      { driver: 'memory' },
      'memory',
    ],
    ['nothing', { REDIS_URL: ' ' }, { memory: true, redis: { timeout: '1s' } }, 'memory'],
  ] as const)('is chosen by %s', async (_, env, options, expected) => {
    const made = createCache({ ...options, env });
    expect(made.driver).toBe(expected);
    await made.close();
  });

  test.each([
    [
      'CACHE_REDIS_URL is misspelt',
      { CACHE_REDIS_URL: 'redis//:s3cret@host' },
      / {2}CACHE_REDIS_URL .*not valid/,
    ],
    [
      'REDIS_URL is misspelt',
      { REDIS_URL: 'rdis://:s3cret@host' },
      / {2}REDIS_URL .*not valid: expected redis:/,
    ],
    ['REDIS_URL has no such port', { REDIS_URL: 'redis://:s3cret@host:99999' }, / {2}REDIS_URL .*not valid/],
    [
      'none is set',
      { CACHE_DRIVER: 'redis' },
      /CACHE_REDIS_URL .*not set: expected .*, here or in REDIS_URL/,
    ],
  ])('redis where %s is one coded error that names the variable as it was set', (_, env, words) => {
    const make = () => createCache({ env });
    expect(make).toThrow(expect.objectContaining({ code: 'E_CONFIG' }));
    expect(make).toThrow(words);
    expect(make).toThrow(/has one problem/);
    expect(make).not.toThrow('s3cret');
    expect(make).not.toThrow('in REDIS_URL:');
  });

  test('redis whose address is wrong, in an option, says so at ready and at every call', async () => {
    const made = createCache({ env: {}, redis: { url: 'redis://:s3cret@host:99999' } });
    const wrong = { code: 'E_REDIS_URL', message: expect.not.stringContaining('s3cret') };
    await expect(made.ready()).rejects.toMatchObject(wrong);
    await expect(made.get('k')).rejects.toMatchObject(wrong);
    await made.close();
  });

  test.each([
    { redis: { timeout: 'soon' } },
    { redis: { timeout: -1 } },
    { redis: { connectTimeout: Number.NaN } },
    { memory: { ttl: 'soon' } },
  ])('redis with a time that is none is refused: %o', (options) => {
    expect(() => createCache({ env: { REDIS_URL: REDIS }, ...(options as object) })).toThrow(
      expect.objectContaining({ code: 'E_DURATION' }),
    );
  });
});

test('in production it warns when nothing chose the memory driver, and only then', () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  createCache({ env: { NODE_ENV: 'production' } });
  expect(String(write.mock.calls[0]?.[0])).toContain('CACHE_DRIVER=memory');
  write.mockClear();
  createCache({ env: { NODE_ENV: 'production', CACHE_DRIVER: 'memory' } });
  expect(write).not.toHaveBeenCalled();
});

test('its health check makes a round trip', async () => {
  expect(await cacheHealthCheck()({ signal })).toEqual({ status: 'ok', data: { driver: 'memory' } });
  await cache.close();
  await expect(cacheHealthCheck()({ signal })).rejects.toMatchObject({ code: 'E_CACHE_CLOSED' });
});

test('health checks that run at the same time do not get into each other’s way', async () => {
  const results = await Promise.all([1, 2, 3].map(async () => cacheHealthCheck()({ signal })));
  expect(results.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);
});

test('a shutdown closes it', async () => {
  await cache.set('k', 1, '1m');
  const report = await shutdown('test');
  expect(report.hooks.map(({ name, status }) => [name, status])).toContainEqual(['cache', 'done']);
  await expect(cache.get('k')).rejects.toMatchObject({ code: 'E_CACHE_CLOSED' });
});

test('fakeCache stands in for the default one, on its own clock, and gives way again', async () => {
  await cache.set('k', 'real', '1m');
  {
    using fake = testing.fakeCache();
    await fake.assertMissing('k');
    await cache.set('k', { a: 1 }, '5m');
    await fake.assertStored('k');
    await fake.assertStored('k', { a: 1 });
    await expect(fake.assertStored('k', { a: 2 })).rejects.toThrow('unexpected value cached under "k"');
    await expect(fake.assertMissing('k')).rejects.toThrow('expected nothing');
    await fake.clock.advance('5m');
    await fake.assertMissing('k');
  }
  expect(await cache.get('k')).toBe('real');
});
