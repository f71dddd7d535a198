import { setTimeout as wait } from 'node:timers/promises';
import { describeWith } from '@vibeonrails/services/vitest';
import { Redis as Redis5 } from 'ioredis5';
import { describe, expect, test } from 'vitest';
import { quiet } from './quiet.ts';

const tests = quiet();

describeWith('redis', 'a cache on Redis', { own: true }, (server) => {
  const make = (namespace = 'cache', timeout: `${number}s` = '10s') =>
    tests.cache({ redis: { url: server().url, timeout }, namespace });

  test('an entry is the text under the namespace and the key, with its expiry', async () => {
    const cache = make('shop');
    await cache.set('user:1', { name: 'Ada', born: new Date(0) }, '5m');
    expect(await server().command('GET', 'shop:user:1')).toBe('{"name":"Ada","born":{"~d":0}}');
    const left = Number(await server().command('PTTL', 'shop:user:1'));
    expect(left).toBeGreaterThan(280_000);
    expect(left).toBeLessThanOrEqual(300_000);
    expect(cache.driver).toBe('redis');
  });

  test('what one cache writes another one reads', async () => {
    const [one, two] = [make(), make()];
    const value = { when: new Date(5), big: 12n ** 40n, set: new Set(['ü']), bytes: Buffer.from([0, 255]) };
    await one.setMany({ a: value, b: null }, '1m');
    expect(await two.getMany(['a', 'b', 'none'])).toEqual([value, null, undefined]);
    expect(await two.increment('n', '1m')).toBe(1);
    expect(await one.increment('n', { ttl: '1m', by: 41 })).toBe(42);
    expect(await two.get('n')).toBe(42);
    expect(await one.add('b', 1, '1m')).toBe(false);
    expect(await two.take('b')).toBeNull();
    expect(await one.has('b')).toBe(false);
  });

  test('a load runs once a process, and another process finds what it stored', async () => {
    const [one, two] = [make(), make()];
    let loads = 0;
    const load = async () => {
      loads += 1;
      return { n: loads };
    };
    const values = await Promise.all(Array.from({ length: 50 }, () => one.getOrSet('k', '1m', load)));
    expect(values).toEqual(Array.from({ length: 50 }, () => ({ n: 1 })));
    expect(await two.getOrSet('k', '1m', load)).toEqual({ n: 1 });
    expect(loads).toBe(1);
  });

  test('time passes in Redis', async () => {
    const cache = make();
    await cache.set('k', 1, '100ms');
    await wait(150);
    expect(await cache.get('k')).toBeUndefined();
  });

  test.each(['a*', '[ab]', 'a?', 'a\\', 'a'])('clear empties the namespace %s and no other', async (name) => {
    const namespaces = ['a*', '[ab]', 'a?', 'a\\', 'a', 'ab', 'b', 'aa'];
    const caches = namespaces.map((namespace) => make(namespace));
    await Promise.all(caches.map((cache) => cache.set('k', 1, '1m')));
    await make(name).clear();
    const left = await Promise.all(caches.map((cache) => cache.has('k')));
    expect(namespaces.filter((_, i) => !left[i])).toEqual([name]);
  });

  test('a server that has forgotten the scripts gets them again', async () => {
    const cache = make();
    await cache.set('k', 1, '1m');
    await server().command('SCRIPT', 'FLUSH');
    await cache.set('k', 2, '1m');
    expect(await cache.increment('k', '1m')).toBe(3);
  });

  test('a text that is none of ours is a miss, and loaded anew', async () => {
    const cache = make();
    for (const text of ['not json', '{"~i":"x"}', '{"~z":1}', '']) {
      await server().command('SET', 'cache:k', text);
      expect(await cache.get('k')).toBeUndefined();
      const loaded = await Promise.all([1, 2, 3].map((n) => cache.getOrSet('k', '1m', async () => n)));
      expect(loaded).toEqual([1, 1, 1]);
      expect(await cache.get('k')).toBe(1);
    }
  });

  test('what is no text is a miss, and cannot be counted on', async () => {
    const cache = make('list');
    await server().command('RPUSH', 'list:k', 'a');
    expect(await cache.get('k')).toBeUndefined();
    await expect(cache.increment('k', '1m')).rejects.toMatchObject({
      code: 'E_CACHE_UNAVAILABLE',
      retryable: false,
    });
    await cache.set('k', 1, '1m');
    expect(await cache.get('k')).toBe(1);
  });

  test('a lifetime of a thousand years is taken', async () => {
    const cache = make();
    await cache.set('k', 1, `${400_000}d`);
    await cache.set('l', 1, Number.MAX_VALUE);
    await cache.set('m', 1, 0.2);
    expect(await cache.getMany(['k', 'l'])).toEqual([1, 1]);
  });

  test('a full server refuses what is written, with its own words, and goes on answering', async () => {
    const cache = make();
    await server().command('CONFIG', 'SET', 'maxmemory', '1');
    try {
      await expect(cache.set('k', 1, '1m')).rejects.toMatchObject({
        code: 'E_CACHE_UNAVAILABLE',
        retryable: true,
        message: expect.stringContaining('maxmemory'),
      });
      expect(await cache.getOrSet('other', '1m', () => 'loaded')).toBe('loaded');
    } finally {
      await server().command('CONFIG', 'SET', 'maxmemory', '0');
    }
    await cache.set('k', 1, '1m');
  });

  test('one connection serves a cache, known by its name, and is gone when it closes', async () => {
    const cache = make();
    await Promise.all([cache.ready(), cache.get('a'), cache.set('b', 1, '1m')]);
    const count = async () =>
      (await server().command('CLIENT', 'LIST')).match(/ name=infra-cache /g)?.length ?? 0;
    expect(await count()).toBe(1);
    await cache.close();
    await expect.poll(count).toBe(0);
    await expect(cache.get('k')).rejects.toMatchObject({ code: 'E_CACHE_CLOSED' });
  });

  test('close lets the calls under way come in', async () => {
    const cache = make();
    const calls = Promise.all(Array.from({ length: 50 }, (_, i) => cache.increment('n', `${i + 1}m`)));
    await cache.close();
    expect(await calls).toHaveLength(50);
    expect(Number(await server().command('GET', 'cache:n'))).toBeGreaterThanOrEqual(50);
  });

  describe('a client that the application passes in', () => {
    test('is used and never closed', async () => {
      const client = new Redis5(server().url, { lazyConnect: true });
      const cache = tests.cache({ redis: { client } });
      await cache.set('k', 'v', '1m');
      expect(await cache.get('k')).toBe('v');
      await cache.close();
      expect(await client.get('cache:k')).toBe('"v"');
      await client.quit();
    });

    test('is refused with a code when it is none, or has a prefix', async () => {
      const prefixed = new Redis5(server().url, { lazyConnect: true, keyPrefix: 'app:' });
      for (const client of [{} as never, prefixed])
        await expect(tests.cache({ redis: { client } }).ready()).rejects.toMatchObject({
          code: 'E_REDIS_CLIENT',
        });
    });
  });
});

describeWith('redis-cluster', 'a cache on a cluster', { masters: 3 }, (cluster) => {
  test('spreads its keys, and clears them on every master', async () => {
    const cache = tests.cache({
      redis: { url: cluster().url.replace('redis:', 'redis+cluster:'), timeout: '10s' },
    });
    const keys = Array.from({ length: 60 }, (_, i) => `key:${i}`);
    await cache.setMany(
      keys.map((key) => [key, key] as const),
      '1m',
    );
    await cluster().nodes[0]?.command('PING');
    const sizes = await Promise.all(cluster().nodes.map((node) => node.command('DBSIZE')));
    for (const size of sizes) expect(Number(size)).toBeGreaterThan(0);
    expect(await cache.getMany(keys)).toEqual(keys);
    expect(await cache.delete(keys.slice(0, 30))).toBe(30);
    await cache.clear();
    expect(await Promise.all(cluster().nodes.map((node) => node.command('DBSIZE')))).toEqual(['0', '0', '0']);
  });
});
