import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describeWith } from '@vibeonrails/services/vitest';
import { Redis as Redis5 } from 'ioredis5';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Cache, CacheOptions } from '../src/index.ts';
import { eventually, quiet } from './quiet.ts';

const tests = quiet();
const namespace = 'l1';

describeWith('redis', 'memory in front of Redis', { own: true }, (server) => {
  const make = async (options: CacheOptions = {}): Promise<Cache> => {
    const cache = tests.cache({
      redis: { url: server().url, timeout: '10s' },
      namespace,
      memory: true,
      ...options,
    });
    await cache.ready();
    return cache;
  };
  const command = (...words: string[]) => server().command(...words);
  const listeners = async () =>
    (await command('CLIENT', 'LIST', 'TYPE', 'pubsub')).match(/ sub=1 /g)?.length ?? 0;
  beforeEach(async () => void (await command('FLUSHALL')));
  afterEach(() => server().resume());
  /** Changes an entry so that no cache hears of it: who still reads the former one has it in memory. */
  const behind = (key: string, value: string) =>
    command('SET', `${namespace}:${key}`, JSON.stringify(value), 'PX', '600000');
  const say = (message: unknown) =>
    command(
      'PUBLISH',
      `infra-cache:${namespace}`,
      typeof message === 'string' ? message : JSON.stringify(message),
    );
  const inMemory = async (cache: Cache, key: string): Promise<boolean> => {
    const value = await cache.get(key);
    await behind(key, 'changed behind its back');
    const again = await cache.get(key);
    await behind(key, value as string);
    return again === value;
  };

  test('what was read is served from memory, and copied each time', async () => {
    const cache = await make();
    await cache.set('k', { tags: ['a'] }, '1m');
    (await cache.get<{ tags: string[] }>('k'))?.tags.push('b');
    await behind('k', 'other');
    expect(await cache.get('k')).toEqual({ tags: ['a'] });
    expect(await cache.getMany(['none', 'k'])).toEqual([undefined, { tags: ['a'] }]);
    expect(await cache.has('k')).toBe(true);
    expect(await cache.getOrSet('k', '1m', () => 'loaded')).toEqual({ tags: ['a'] });
  });

  test('several keys come from memory and from Redis, in their order', async () => {
    const cache = await make();
    await cache.setMany({ a: 1, b: 2, c: 3 }, '1m');
    await cache.get('b');
    await behind('b', 'other');
    expect(await cache.getMany(['c', 'b', 'none', 'a', 'b'])).toEqual([3, 2, undefined, 1, 2]);
  });

  const writes: [string, (cache: Cache) => Promise<unknown>, unknown][] = [
    ['set', (cache) => cache.set('k', 'new', '1m'), 'new'],
    ['setMany', (cache) => cache.setMany({ other: 1, k: 'new' }, '1m'), 'new'],
    ['delete', (cache) => cache.delete(['other', 'k']), undefined],
    ['take', (cache) => cache.take('k'), undefined],
    ['increment', (cache) => cache.increment('k', '1m'), 6],
    ['touch', (cache) => cache.touch('k', '1ms'), undefined],
    ['clear', (cache) => cache.clear(), undefined],
  ];
  describe.each([
    ['with memory', true],
    ['without memory', false],
  ])('another cache %s', (_, memory) => {
    test.each(writes)('%s takes the entry out of everyone’s memory', async (__, write, expected) => {
      const [mine, other] = [await make(), await make({ memory })];
      await mine.set('k', 5, '1m');
      await Promise.all([mine.get('k'), other.get('k')]);
      await write(other);
      if (expected === undefined) await wait(5);
      expect(await other.get('k')).toBe(expected);
      await expect.poll(() => mine.get('k'), eventually).toBe(expected);
    });
  });
  test.each(writes)('%s takes the entry out of its own memory at once', async (_, write, expected) => {
    const cache = await make();
    await cache.set('k', 5, '1m');
    await cache.get('k');
    await write(cache);
    if (expected === undefined) await wait(5);
    expect(await cache.get('k')).toBe(expected);
  });

  test('a read that overtakes a write does not bring the former text back', async () => {
    const cache = await make();
    await cache.set('k', 'old', '1m');
    // The write needs a second attempt then, and the read comes in between.
    await command('SCRIPT', 'FLUSH');
    await Promise.all([cache.set('k', 'new', '1m'), cache.get('k')]);
    expect(await cache.get('k')).toBe('new');
  });

  test('add says so too, where an entry was gone from Redis before its time', async () => {
    const [mine, other] = [await make(), await make()];
    await mine.set('k', 'old', '1m');
    await mine.get('k');
    await command('DEL', `${namespace}:k`);
    expect(await other.add('k', 'new', '1m')).toBe(true);
    await expect.poll(() => mine.get('k'), eventually).toBe('new');
  });

  test('a cache of another namespace hears nothing of it', async () => {
    const [mine, other] = [await make(), await make({ namespace: 'other' })];
    await mine.set('k', 'v', '1m');
    await mine.get('k');
    await other.clear();
    await other.set('k', 'theirs', '1m');
    await wait(100);
    expect(await inMemory(mine, 'k')).toBe(true);
  });

  test('no entry stays longer in memory than in Redis', async () => {
    const [mine, other] = [await make(), await make()];
    await other.set('k', 'v', '1s');
    const gone = performance.now() + 1000;
    await mine.get('k');
    await command('PERSIST', `${namespace}:k`);
    await command('SET', `${namespace}:k`, '"later"');
    await wait(Math.max(0, gone - performance.now()));
    expect(await mine.get('k')).toBe('later');
  });

  test('an entry stays no longer than the memory’s own time', async () => {
    const cache = await make({ memory: { ttl: '300ms' } });
    await cache.set('k', 'v', '1h');
    await cache.get('k');
    await behind('k', 'unheard');
    await expect.poll(() => cache.get('k'), eventually).toBe('unheard');
  });

  test('another process writes, and the others know within a second', async () => {
    const cache = await make();
    await cache.set('k', 0, '1m');
    const child = spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        '--conditions',
        '@vibeonrails/infra-source',
        fileURLToPath(new URL('./fixtures/writer.ts', import.meta.url)),
      ],
      { env: { ...process.env, CACHE_REDIS_URL: server().url }, stdio: ['pipe', 'pipe', 'inherit'] },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    expect((await answers.next()).value).toBe('ready');
    const lags: number[] = [];
    for (let n = 1; n <= 20; n += 1) {
      expect(await cache.get('k')).toBe(n - 1);
      child.stdin.write(`${JSON.stringify(['set', 'k', n, '1m'])}\n`);
      const writtenAt = Number((await answers.next()).value);
      await expect.poll(() => cache.get('k'), { timeout: 10_000, interval: 1 }).toBe(n);
      lags.push(Date.now() - writtenAt);
    }
    expect(lags.sort((a, b) => a - b)[10]).toBeLessThan(1000);
    child.stdin.end();
    expect((await once(child, 'close'))[0]).toBe(0);
  });

  test('a change that is heard while an entry is on its way wins', async () => {
    const client = new Redis5(server().url);
    const pipeline = client.pipeline.bind(client);
    let held: Promise<void> | undefined;
    // The answer is there; the cache gets it when the test says so.
    client.pipeline = (...args) => {
      const made = pipeline(...(args as []));
      const exec = made.exec.bind(made);
      made.exec = async () => {
        const replies = await exec();
        await held;
        return replies;
      };
      return made;
    };
    const [mine, other] = [await make({ redis: { client, timeout: '10s' } }), await make()];
    await other.set('k', 'old', '1m');
    let release = (): void => undefined;
    held = new Promise((resolve) => {
      release = resolve;
    });
    const reading = mine.get('k');
    await wait(100);
    await other.set('k', 'new', '1m');
    await wait(200);
    release();
    expect(await reading).toBe('old');
    expect(await mine.get('k')).toBe('new');
    await mine.close();
    await client.quit();
  });

  test('a write elsewhere wins over a load that is under way, and a write of one’s own before it does not', async () => {
    const [mine, other] = [await make(), await make()];
    let release = (): void => undefined;
    const load = () => new Promise<string>((resolve) => (release = () => resolve('stale')));
    for (const act of [() => other.delete('k'), () => other.clear()]) {
      const loading = mine.getOrSet('k', '1m', load);
      await wait(100);
      await act();
      await wait(200);
      release();
      expect(await loading).toBe('stale');
      expect(await other.has('k')).toBe(false);
    }
    await mine.delete('k');
    expect(await mine.getOrSet('k', '1m', () => wait(200, 'fresh'))).toBe('fresh');
    expect(await other.get('k')).toBe('fresh');
  });

  test('a write of one’s own that failed and was carried out later is heard', async () => {
    const cache = await make({ redis: { url: server().url, timeout: '500ms' } });
    const heard: { from: string }[] = [];
    const spy = new Redis5(server().url);
    await spy.subscribe(`infra-cache:${namespace}`);
    spy.on('message', (_, text) => heard.push(JSON.parse(text)));
    await expect
      .poll(async () => {
        await cache.set('k', 'v', '1m').catch(() => undefined);
        return heard.length > 0 && inMemory(cache, 'k');
      }, eventually)
      .toBe(true);
    const from = heard.at(-1)?.from ?? '';
    const stale = async () => {
      await cache.get('k');
      await behind('k', 'unheard');
      await say({ from, keys: [`${namespace}:k`] });
      await wait(300);
      return cache.get('k');
    };
    expect(await stale()).toBe('v');
    server().pause();
    await expect(cache.set('other', 1, '1m')).rejects.toMatchObject({
      code: expect.stringMatching(/^E_CACHE_/),
    });
    server().resume();
    await expect
      .poll(
        () =>
          cache.set('k', 'v', '1m').then(
            () => true,
            () => false,
          ),
        eventually,
      )
      .toBe(true);
    await expect.poll(() => inMemory(cache, 'k'), eventually).toBe(true);
    await behind('k', 'unheard');
    await say({ from, keys: [`${namespace}:k`] });
    await expect.poll(() => cache.get('k'), eventually).toBe('unheard');
    spy.disconnect();
  });

  test.each(['nonsense', '{"from":5}', '{"from":"x","keys":"l1:k"}', 'null', '{"from":"x"}'])(
    'a message that is not understood, or names no keys, takes everything out of memory: %s',
    async (text) => {
      const cache = await make();
      await cache.setMany({ k: 'v', other: 'v' }, '1m');
      await cache.getMany(['k', 'other']);
      await behind('k', 'unheard');
      await say(text);
      await expect.poll(() => cache.get('k'), eventually).toBe('unheard');
    },
  );

  describe('when the subscription is lost', () => {
    test('memory is empty at once, and in use again afterwards', async () => {
      const [mine, other] = [await make(), await make({ memory: false })];
      await mine.set('k', 'old', '1m');
      await mine.get('k');
      for (let round = 0; round < 3; round += 1) {
        await command('CLIENT', 'KILL', 'TYPE', 'pubsub');
        // Whether it is heard of or not.
        await other.set('k', `new ${round}`, '1m');
        await expect.poll(() => mine.get('k'), eventually).toBe(`new ${round}`);
        await expect.poll(() => inMemory(mine, 'k'), eventually).toBe(true);
      }
      expect(await listeners()).toBe(1);
    });

    test('what changed unheard meanwhile is not served', async () => {
      const cache = await make();
      await cache.set('k', 'old', '1m');
      await cache.get('k');
      await command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await behind('k', 'unheard');
      await expect.poll(() => cache.get('k'), { ...eventually, timeout: 5000 }).toBe('unheard');
    });
  });

  test('a silent subscription is found out by its missing answer', async () => {
    const cache = await make({ redis: { url: server().url, timeout: '300ms' } });
    await expect
      .poll(
        () =>
          cache.set('k', 'v', '1m').then(
            () => inMemory(cache, 'k'),
            () => false,
          ),
        eventually,
      )
      .toBe(true);
    server().pause();
    // While frozen, memory still answers, until the beat goes unanswered.
    await expect.poll(() => cache.get('k'), eventually).toBeUndefined();
    server().resume();
    await expect
      .poll(
        () =>
          cache.set('k', 'v', '1m').then(
            () => inMemory(cache, 'k'),
            () => false,
          ),
        eventually,
      )
      .toBe(true);
  }, 60_000);

  test('closing ends the subscription too', async () => {
    const cache = await make();
    await cache.close();
    await expect.poll(listeners, eventually).toBe(0);
    await expect
      .poll(async () => (await command('CLIENT', 'LIST')).match(/ name=infra-cache /g), eventually)
      .toBe(null);
  });

  test('a user with the rights that the README names can do everything', async () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const commands = /commands\s+`([a-z| ]+)`/.exec(readme)?.[1]?.split(' ') ?? [];
    const rights = ['~l1:*', '&infra-cache:l1', ...commands.map((name) => `+${name}`)];
    await command('ACL', 'SETUSER', 'least', 'on', '>s3cret', 'resetchannels', ...rights);
    const url = server().url.replace('redis://', 'redis://least:s3cret@');
    const cache = await make({ redis: { url, timeout: '10s' } });
    for (const [, write] of writes) await write(cache);
    expect(await cache.add('k', 'v', '1m')).toBe(true);
    expect(await inMemory(cache, 'k')).toBe(true);
    const plain = await make({ redis: { url, timeout: '10s' }, memory: false });
    expect(await plain.getOrSet('k', '1m', () => 'loaded')).toBe('v');
  });

  test('a user who may not subscribe or publish is told so, and nothing is half done', async () => {
    await command('ACL', 'SETUSER', 'mute', 'on', '>s3cret', '~*', '+@all', 'resetchannels');
    const url = server().url.replace('redis://', 'redis://mute:s3cret@');
    const cache = tests.cache({
      redis: { url, connectTimeout: '1s', timeout: '10s' },
      namespace,
      memory: true,
    });
    await expect(cache.ready()).rejects.toMatchObject({
      code: 'E_CACHE_UNAVAILABLE',
      message: expect.stringContaining('NOPERM'),
    });
    await command('DEL', `${namespace}:k`);
    await expect(cache.set('k', 1, '1m')).rejects.toMatchObject({
      code: 'E_CACHE_UNAVAILABLE',
      retryable: false,
    });
    expect(await command('EXISTS', `${namespace}:k`)).toBe('0');
    expect(await cache.getOrSet('k', '1m', () => 'loaded')).toBe('loaded');
    expect(tests.lines().filter((line) => line.includes('refuses the subscription'))).toHaveLength(1);
  });
});

describeWith('redis-cluster', 'memory in front of a cluster', { masters: 3 }, (cluster) => {
  const url = () => cluster().url.replace('redis:', 'redis+cluster:');
  const make = async (): Promise<Cache> => {
    const cache = tests.cache({ redis: { url: url(), timeout: '10s' }, namespace, memory: true });
    await cache.ready();
    return cache;
  };

  test('changes on every master are heard, whichever it listens to', async () => {
    const [mine, other] = [await make(), await make()];
    const keys = Array.from({ length: 30 }, (_, i) => `key:${i}`);
    await mine.setMany(
      keys.map((key) => [key, 'old'] as const),
      '1m',
    );
    expect(await mine.getMany(keys)).toEqual(keys.map(() => 'old'));
    await other.setMany(
      keys.map((key) => [key, 'new'] as const),
      '1m',
    );
    await expect.poll(() => mine.getMany(keys), eventually).toEqual(keys.map(() => 'new'));
    await other.clear();
    await expect.poll(() => mine.getMany(keys), eventually).toEqual(keys.map(() => undefined));
  });

  test('when the node it listens to is lost, it forgets and listens to another one', async () => {
    const [mine] = [await make(), await make()];
    const listens = async () => {
      const counts = await Promise.all(
        cluster().nodes.map((node) => node.command('CLIENT', 'LIST', 'TYPE', 'pubsub')),
      );
      return counts.map((list) => list.split('\n').filter((line) => line.includes('sub=1')).length);
    };
    await expect.poll(async () => (await listens()).reduce((a, b) => a + b, 0), eventually).toBe(2);
    await mine.set('k', 'old', '1m');
    await mine.get('k');
    const onEach = (...words: string[]) =>
      Promise.allSettled(cluster().nodes.map((node) => node.command(...words)));
    await onEach('CLIENT', 'KILL', 'TYPE', 'pubsub');
    // Unheard: only the node of the slot takes it.
    await onEach('SET', `${namespace}:k`, '"unheard"', 'PX', '600000');
    await expect.poll(() => mine.get('k'), eventually).toBe('unheard');
    await expect.poll(async () => (await listens()).reduce((a, b) => a + b, 0), eventually).toBe(2);
  });
});
