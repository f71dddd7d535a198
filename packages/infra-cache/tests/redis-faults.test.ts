import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { inspect } from 'node:util';
import { freePort } from '@vibeonrails/services';
import { describeWith } from '@vibeonrails/services/vitest';
import { Redis as Redis5 } from 'ioredis5';
import { afterEach, describe, expect, test } from 'vitest';
import { type Cache, type CacheOptions, cacheHealthCheck, configureCache } from '../src/index.ts';
import { eventually, quiet } from './quiet.ts';

const tests = quiet();
/** What a machine that does other things as well may add to a deadline. */
const SLACK = 8000;

/** Every call, and what it comes to while the server is away. */
const calls: [string, (cache: Cache) => Promise<unknown>, 'rejects' | { gives: unknown }][] = [
  ['get', (cache) => cache.get('k'), { gives: undefined }],
  ['getMany', (cache) => cache.getMany(['k', 'l']), { gives: [undefined, undefined] }],
  ['has', (cache) => cache.has('k'), { gives: false }],
  ['getOrSet', (cache) => cache.getOrSet('k', '1m', () => 'loaded'), { gives: 'loaded' }],
  ['set', (cache) => cache.set('k', 1, '1m'), 'rejects'],
  ['setMany', (cache) => cache.setMany({ k: 1, l: 2 }, '1m'), 'rejects'],
  ['add', (cache) => cache.add('k', 1, '1m'), 'rejects'],
  ['delete', (cache) => cache.delete(['k', 'l']), 'rejects'],
  ['take', (cache) => cache.take('k'), 'rejects'],
  ['increment', (cache) => cache.increment('n', '1m'), 'rejects'],
  ['touch', (cache) => cache.touch('k', '1m'), 'rejects'],
  ['clear', (cache) => cache.clear(), 'rejects'],
];

/** Makes every call, one after another, and says how each went wrong. */
async function misbehaviour(cache: Cache, timeout: number): Promise<string[]> {
  const wrong: string[] = [];
  for (const [name, call, expected] of calls) {
    const startedAt = performance.now();
    const [outcome] = await Promise.allSettled([call(cache)]);
    const ms = performance.now() - startedAt;
    if (ms > timeout + SLACK) wrong.push(`${name} took ${ms} ms`);
    if (expected === 'rejects') {
      const { code, retryable } = outcome.status === 'rejected' ? outcome.reason : {};
      if (!/^E_CACHE_(UNAVAILABLE|TIMEOUT)$/.test(code) || retryable !== true)
        wrong.push(`${name}: ${inspect(outcome)}`);
    } else if (outcome.status === 'rejected' || inspect(outcome.value) !== inspect(expected.gives))
      wrong.push(`${name}: ${inspect(outcome)}`);
  }
  return wrong;
}
const works = (cache: Cache) => async (): Promise<unknown> => {
  await cache.set('back', 'again', '1m').catch(() => undefined);
  return cache.get('back');
};

/** Passes everything on; told to, it keeps the next answers to itself and cuts the connection. */
async function lossyProxy(port: number) {
  let lose = false;
  const proxy = createServer((socket) => {
    const upstream = connect(port, '127.0.0.1');
    socket.pipe(upstream);
    upstream.on('data', (answer) => {
      if (!lose) return socket.write(answer);
      lose = false;
      return socket.destroy();
    });
    for (const one of [socket, upstream])
      one
        .on('error', () => undefined)
        .on('close', () => {
          socket.destroy();
          upstream.destroy();
        });
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    port: (proxy.address() as AddressInfo).port,
    loseAnswers() {
      lose = true;
    },
    close: () => proxy.close(),
  };
}

describeWith('redis', 'Redis that is away', { password: 's3cret' }, (server) => {
  afterEach(() => server().resume());

  describe.each([
    ['alone', false],
    ['with memory in front', true],
  ])('%s', (_, memory) => {
    const make = (options: CacheOptions = {}): Cache =>
      tests.cache({ redis: { url: server().url, connectTimeout: '1s' }, memory, ...options });

    test('from the start: every call answers in time, ready says so, and it is used once it is there', async () => {
      await server().kill();
      const cache = make();
      await expect(cache.ready()).rejects.toMatchObject({ code: 'E_CACHE_UNAVAILABLE', retryable: true });
      expect(await misbehaviour(cache, 500)).toEqual([]);
      // One that nobody made ready: connecting takes longer than a call may.
      expect(await misbehaviour(make({ redis: { url: server().url, timeout: '200ms' } }), 200)).toEqual([]);
      await server().restart();
      await expect.poll(works(cache), eventually).toBe('again');
      await expect.poll(() => cache.ready().then(() => 'ready'), eventually).toBe('ready');
    });

    test('killed: every call answers in time, and it is used again once it is back', async () => {
      const cache = make();
      await cache.ready();
      await cache.set('k', 1, '1m');
      await server().kill();
      expect(await misbehaviour(cache, 500)).toEqual([]);
      await server().restart();
      await expect.poll(works(cache), eventually).toBe('again');
    });

    test('frozen: every call answers in time, and it is used again once it goes on', async () => {
      const cache = make();
      await cache.ready();
      server().pause();
      try {
        expect(await misbehaviour(cache, 500)).toEqual([]);
        // One that meets it frozen from the start.
        expect(await misbehaviour(make({ redis: { url: server().url, timeout: '200ms' } }), 200)).toEqual([]);
        await expect(make().ready()).rejects.toMatchObject({ code: 'E_CACHE_UNAVAILABLE' });
      } finally {
        server().resume();
      }
      await expect.poll(works(cache), eventually).toBe('again');
    }, 60_000);

    test('an outage is one line of log', async () => {
      const cache = make();
      await cache.ready();
      await server().kill();
      for (let i = 0; i < 100; i += 1) await cache.get('k');
      await cache.getOrSet('k', '1m', () => 1);
      expect(tests.lines()).toHaveLength(1);
      expect(tests.lines()[0]).toContain('reads are misses');
      await server().restart();
      await expect.poll(works(cache), eventually).toBe('again');
    });
  });

  test('a timeout of one’s own is kept to', async () => {
    const cache = tests.cache({ redis: { url: server().url, timeout: '100ms' } });
    await expect.poll(works(cache), eventually).toBe('again');
    server().pause();
    const startedAt = performance.now();
    await expect(cache.set('k', 1, '1m')).rejects.toMatchObject({
      code: 'E_CACHE_TIMEOUT',
      message: expect.stringContaining('within 100 ms'),
    });
    expect(performance.now() - startedAt).toBeLessThan(100 + SLACK);
    server().resume();
  });

  test('a load is not kept waiting: many callers, one load, one timeout', async () => {
    const cache = tests.cache({ redis: { url: server().url } });
    await cache.ready();
    server().pause();
    let loads = 0;
    const startedAt = performance.now();
    const values = await Promise.all(
      Array.from({ length: 100 }, () => cache.getOrSet('busy', '1m', async () => (loads += 1))),
    );
    expect([loads, new Set(values)]).toEqual([1, new Set([1])]);
    expect(performance.now() - startedAt).toBeLessThan(500 + SLACK);
    server().resume();
  });

  test.each([
    ['from the start', false],
    ['later', true],
  ])('what was refused is not done afterwards: away %s', async (_, connectedFirst) => {
    // A client that keeps commands until it is connected again.
    const client = new Redis5(server().url, { lazyConnect: true });
    client.on('error', () => undefined);
    const caches = [tests.cache({ redis: { url: server().url } }), tests.cache({ redis: { client } })];
    if (connectedFirst) for (const cache of caches) await expect.poll(works(cache), eventually).toBe('again');
    await server().kill();
    // What it had sent already is its own to send again, as its settings say.
    await expect.poll(() => client.status, eventually).not.toBe('ready');
    for (const cache of caches)
      await expect(cache.set('late', 1, '1m')).rejects.toMatchObject({ code: 'E_CACHE_UNAVAILABLE' });
    await server().restart();
    for (const cache of caches) await expect.poll(works(cache), eventually).toBe('again');
    await wait(100);
    expect(await server().command('EXISTS', 'cache:late')).toBe('0');
    await caches[1]?.close();
    client.disconnect();
  });

  test('a count whose answer was lost is not counted a second time', async () => {
    const proxy = await lossyProxy(server().port);
    const cache = tests.cache({ redis: { url: `redis://:s3cret@127.0.0.1:${proxy.port}`, timeout: '5s' } });
    expect(await cache.increment('lost', '1m')).toBe(1);
    proxy.loseAnswers();
    await expect(cache.increment('lost', '1m')).rejects.toMatchObject({ code: 'E_CACHE_UNAVAILABLE' });
    await expect.poll(works(cache), eventually).toBe('again');
    expect(await cache.get('lost')).toBe(2);
    await cache.close();
    proxy.close();
  });

  test('a connection that breaks loses no count that was acknowledged, and counts none twice', async () => {
    const cache = tests.cache({ redis: { url: server().url } });
    await cache.ready();
    await server().command('DEL', 'cache:n');
    let asked = 0;
    let acknowledged = 0;
    for (let round = 0; round < 5; round += 1) {
      const counting = Array.from({ length: 200 }, () => {
        asked += 1;
        return cache.increment('n', '1m').then(
          () => (acknowledged += 1),
          () => undefined,
        );
      });
      await server().command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await Promise.all(counting);
      await expect.poll(works(cache), eventually).toBe('again');
    }
    const counted = Number(await server().command('GET', 'cache:n'));
    expect(acknowledged).toBeGreaterThan(0);
    expect(counted).toBeGreaterThanOrEqual(acknowledged);
    expect(counted).toBeLessThanOrEqual(asked);
  });

  test('the health check fails while it is away, and is well again afterwards', async () => {
    configureCache({ redis: { url: server().url }, env: {}, replace: true });
    const check = async () => cacheHealthCheck()({ signal: AbortSignal.timeout(10_000) });
    await expect.poll(check, eventually).toEqual({ status: 'ok', data: { driver: 'redis' } });
    await server().kill();
    await expect(check()).rejects.toMatchObject({ code: 'E_CACHE_UNAVAILABLE' });
    await server().restart();
    await expect.poll(() => check().catch(() => undefined), eventually).toMatchObject({ status: 'ok' });
    await configureCache({ driver: 'memory', env: {}, replace: true }).close();
  });

  test.each([
    ['wrong', (url: string) => url.replace('s3cret', 's3cret-wrong')],
    ['missing', (url: string) => url.replace(':s3cret@', '')],
  ])(
    'a password that is %s is one coded error at ready, without the password; pages are served',
    async (_, change) => {
      const cache = tests.cache({ redis: { url: change(server().url) }, memory: true });
      const error = await cache.ready().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: 'E_CACHE_UNAVAILABLE',
        retryable: false,
        cause: { code: 'E_REDIS_AUTH' },
      });
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('s3cret');
      expect(await cache.getOrSet('k', '1m', () => 'loaded')).toBe('loaded');
      await expect(cache.set('k', 1, '1m')).rejects.toMatchObject({
        code: 'E_CACHE_UNAVAILABLE',
        retryable: false,
      });
    },
  );

  test('a wrong host is one coded error at ready', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    const cache = tests.cache({ redis: { url, connectTimeout: '300ms' } });
    await expect(cache.ready()).rejects.toMatchObject({
      code: 'E_CACHE_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('closing while it is frozen takes no longer than a call', async () => {
    const cache = tests.cache({ redis: { url: server().url }, memory: true });
    await cache.ready();
    server().pause();
    const pending = cache.get('k');
    const startedAt = performance.now();
    await cache.close();
    expect(performance.now() - startedAt).toBeLessThan(2000 + SLACK);
    expect(await pending).toBeUndefined();
    server().resume();
  });
});

describeWith('redis-cluster', 'a cluster with a master that is away', { masters: 3 }, (cluster) => {
  const keys = Array.from({ length: 30 }, (_, i) => `key:${i}`);

  test.each([
    ['frozen', (i: number) => cluster().nodes[i]?.pause(), (i: number) => cluster().nodes[i]?.resume()],
    ['killed', (i: number) => cluster().nodes[i]?.kill(), (i: number) => cluster().nodes[i]?.restart()],
  ])(
    '%s: each call answers in time, the others serve, and it comes back',
    async (_, away, back) => {
      const cache = tests.cache({
        redis: { url: cluster().url.replace('redis:', 'redis+cluster:') },
        memory: true,
      });
      await cache.ready();
      await expect
        .poll(
          () =>
            cache
              .setMany(
                keys.map((key) => [key, 1] as const),
                '1m',
              )
              .then(
                () => true,
                () => false,
              ),
          eventually,
        )
        .toBe(true);
      await away(2);
      const outcomes = await Promise.all(
        keys.map(async (key) => {
          const startedAt = performance.now();
          const error = await cache.set(key, 2, '1m').then(
            () => undefined,
            (thrown: { code: string }) => thrown,
          );
          return { error, ms: performance.now() - startedAt };
        }),
      );
      const failed = outcomes.flatMap(({ error }) => (error ? [error] : []));
      expect(failed.length).toBeGreaterThan(0);
      expect(failed.length).toBeLessThan(keys.length);
      for (const error of failed) expect(error.code).toMatch(/^E_CACHE_(UNAVAILABLE|TIMEOUT)$/);
      for (const { ms } of outcomes) expect(ms).toBeLessThan(500 + SLACK);
      for (const key of keys) expect(await cache.getOrSet(key, '1m', () => 3)).toBeTypeOf('number');
      await back(2);
      await expect
        .poll(
          () =>
            cache
              .setMany(
                keys.map((key) => [key, 4] as const),
                '1m',
              )
              .then(
                () => cache.getMany(keys),
                () => [],
              ),
          {
            ...eventually,
            timeout: 30_000,
          },
        )
        .toEqual(keys.map(() => 4));
    },
    60_000,
  );
});
