import { subscribeOperation } from '@vibeonrails/infra-core';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { describe, expect, expectTypeOf, it, test } from 'vitest';
import { type Cache, createCache } from '../src/index.ts';

function make(options: Parameters<typeof createCache>[0] = {}) {
  const clock = fakeClock();
  return { clock, cache: createCache({ clock, env: {}, ...options }) };
}

test('a value comes back until its time is over', async () => {
  const { cache, clock } = make();
  await cache.set('user:1', { name: 'Ada', at: new Date(0) }, '5m');
  expect(await cache.get('user:1')).toEqual({ name: 'Ada', at: new Date(0) });
  await clock.advance('5m');
  expect(await cache.get('user:1')).toBeUndefined();
  expect(await cache.has('user:1')).toBe(false);
});

test('changing what get returned never changes the cache', async () => {
  const { cache } = make();
  const value = { tags: ['a'] };
  await cache.set('k', value, '1m');
  value.tags.push('b');
  (await cache.get<{ tags: string[] }>('k'))?.tags.push('c');
  expect(await cache.get('k')).toEqual({ tags: ['a'] });
});

describe('an expiry is required', () => {
  it.each([
    ['nothing', undefined],
    ['zero', 0],
    ['a negative number', -1],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a text of another form', '5 minutes'],
    ['null', null],
    ['an empty policy', {}],
  ])('%s is refused on every write', async (_, ttl) => {
    const { cache } = make();
    const policy = ttl as never;
    const refused = { code: 'E_CACHE_TTL' };
    await expect(cache.set('k', 1, policy)).rejects.toMatchObject(refused);
    await expect(cache.setMany({ k: 1 }, policy)).rejects.toMatchObject(refused);
    await expect(cache.add('k', 1, policy)).rejects.toMatchObject(refused);
    await expect(cache.touch('k', policy)).rejects.toMatchObject(refused);
    await expect(cache.increment('k', policy)).rejects.toMatchObject(refused);
    await expect(cache.getOrSet('k', policy, () => 1)).rejects.toMatchObject(refused);
    expect(await cache.has('k')).toBe(false);
  });

  it('is a type error when left out', () => {
    expectTypeOf<Parameters<Cache['set']>['length']>().toEqualTypeOf<3>();
  });
});

test.each([
  ['empty', ''],
  ['too long', 'ü'.repeat(513)],
  ['not a text', 5],
])('a key that is %s is refused', async (_, key) => {
  await expect(make().cache.get(key as string)).rejects.toMatchObject({ code: 'E_CACHE_KEY' });
});

test('undefined is refused, because a miss looks like it', async () => {
  await expect(make().cache.set('k', undefined, '1m')).rejects.toMatchObject({ code: 'E_CACHE_VALUE' });
});

test('several values are read in the order of their keys', async () => {
  const { cache } = make();
  await cache.setMany({ a: 1, b: null }, '1m');
  await cache.setMany(new Map([['c', 3n]]), { ttl: '1m' });
  expect(await cache.getMany(['c', 'none', 'b', 'a'])).toEqual([3n, undefined, null, 1]);
  expect(await cache.getMany([])).toEqual([]);
});

test('add writes once, take gives once, increment counts, touch prolongs', async () => {
  const { cache, clock } = make();
  expect(await cache.add('k', 1, '1m')).toBe(true);
  expect(await cache.add('k', 2, '1m')).toBe(false);
  expect(await cache.touch('k', '10m')).toBe(true);
  await clock.advance('2m');
  expect(await cache.take('k')).toBe(1);
  expect(await cache.take('k')).toBeUndefined();
  expect(await cache.increment('n', '1m')).toBe(1);
  expect(await cache.increment('n', { ttl: '1m', by: -3 })).toBe(-2);
  expect(await cache.get('n')).toBe(-2);
  expect(await cache.delete(['n', 'none'])).toBe(1);
});

describe('getOrSet', () => {
  it('loads once for all who ask at the same time, and gives each a copy', async () => {
    const { cache } = make();
    let loads = 0;
    const load = async () => {
      loads += 1;
      await new Promise((resolve) => setImmediate(resolve));
      return { n: loads };
    };
    const values = await Promise.all(Array.from({ length: 200 }, () => cache.getOrSet('k', '1m', load)));
    expect(loads).toBe(1);
    expect(values).toEqual(Array.from({ length: 200 }, () => ({ n: 1 })));
    expect(values[0]).not.toBe(values[1]);
    expect(await cache.getOrSet('k', '1m', load)).toEqual({ n: 1 });
  });

  it('loads again after the time is over', async () => {
    const { cache, clock } = make();
    await cache.getOrSet('k', '1m', () => 1);
    await clock.advance('1m');
    expect(await cache.getOrSet('k', '1m', () => 2)).toBe(2);
  });

  it('gives the error of the load to all who wait, and stores nothing', async () => {
    const { cache } = make();
    let loads = 0;
    const fail = async (): Promise<number> => {
      loads += 1;
      throw new Error('database down');
    };
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => cache.getOrSet('k', '1m', fail)));
    expect(outcomes.every((o) => o.status === 'rejected' && o.reason.message === 'database down')).toBe(true);
    expect(loads).toBe(1);
    expect(await cache.getOrSet('k', '1m', () => 5)).toBe(5);
  });

  it('stores null, and not undefined', async () => {
    const { cache } = make();
    expect(await cache.getOrSet('null', '1m', () => null)).toBeNull();
    expect(await cache.has('null')).toBe(true);
    expect(await cache.getOrSet('none', '1m', () => undefined)).toBeUndefined();
    expect(await cache.has('none')).toBe(false);
  });

  it('lets whatever changes the entry during the load win', async () => {
    const { cache } = make();
    const during = async (act: () => Promise<unknown>): Promise<unknown> => {
      let release: (value: string) => void = () => undefined;
      const loading = cache.getOrSet('k', '1m', () => new Promise<string>((resolve) => (release = resolve)));
      await new Promise((resolve) => setImmediate(resolve));
      await act();
      release('stale');
      await loading;
      return cache.get('k');
    };
    expect(await during(() => cache.set('k', 'fresh', '1m'))).toBe('fresh');
    await cache.delete('k');
    expect(await during(() => cache.delete('k'))).toBeUndefined();
    expect(await during(() => cache.take('k'))).toBeUndefined();
    expect(await during(() => cache.clear())).toBeUndefined();
    expect(await during(() => cache.increment('k', '1m'))).toBe(1);
  });

  it('infers the type of what is loaded', () => {
    expectTypeOf(make().cache.getOrSet('k', '1m', async () => ({ a: 1 }))).resolves.toEqualTypeOf<{
      a: number;
    }>();
  });
});

test('clear empties its namespace and no other', async () => {
  const { cache } = make({ namespace: 'a' });
  await cache.set('k', 1, '1m');
  await cache.clear();
  expect(await cache.has('k')).toBe(false);
});

test('a closed cache says so, and closes twice', async () => {
  const { cache } = make();
  await cache.close();
  await cache.close();
  await expect(cache.get('k')).rejects.toMatchObject({ code: 'E_CACHE_CLOSED' });
});

test('each call is an operation that tells key and driver', async () => {
  const { cache } = make();
  const seen: unknown[] = [];
  const ends = (['cache.get', 'cache.set', 'cache.load', 'cache.delete'] as const).map((name) =>
    subscribeOperation(name, { end: (event) => seen.push([name, event.key, event.driver]) }),
  );
  await cache.set('k', 1, '1m');
  await cache.get('k');
  await cache.getOrSet('other', '1m', () => 1);
  await cache.delete('k');
  for (const end of ends) end();
  expect(seen).toEqual([
    ['cache.set', 'k', 'memory'],
    ['cache.get', 'k', 'memory'],
    ['cache.get', 'other', 'memory'],
    ['cache.load', 'other', 'memory'],
    ['cache.delete', 'k', 'memory'],
  ]);
});
