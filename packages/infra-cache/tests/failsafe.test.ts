import { subscribeOperation } from '@vibeonrails/infra-core';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { beforeEach, describe, expect, it, test, vi } from 'vitest';
import { type CacheDriver, CacheTimeoutError, CacheUnavailableError, createCache } from '../src/index.ts';

/** A driver whose server can go away; what it is asked is written down. */
function brittle(make: () => Error = () => new CacheUnavailableError('it is unplugged.')) {
  const asked: string[] = [];
  const entries = new Map<string, string>();
  const state = { away: false };
  const call = async <T>(name: string, result: () => T): Promise<T> => {
    asked.push(name);
    if (state.away) throw make();
    return result();
  };
  const driver: CacheDriver = {
    name: 'brittle',
    ready: () => call('ready', () => undefined),
    get: (keys) => call('get', () => keys.map((key) => entries.get(key))),
    set: (key, value) => call('set', () => entries.set(key, value).has(key)),
    delete: (keys) => call('delete', () => keys.filter((key) => entries.delete(key)).length),
    take: (key) => call('take', () => entries.get(key)),
    increment: (_, by) => call('increment', () => by),
    touch: (key) => call('touch', () => entries.has(key)),
    clear: () => call('clear', () => entries.clear()),
    close: async () => undefined,
  };
  const clock = fakeClock();
  return { asked, state, clock, cache: createCache({ driver, clock, env: {} }) };
}

let write = vi.fn();
beforeEach(() => {
  write = vi.spyOn(process.stderr, 'write').mockReturnValue(true) as never;
});

const outages = [
  ['away', () => new CacheUnavailableError('it is unplugged.'), 'E_CACHE_UNAVAILABLE'],
  ['silent', () => new CacheTimeoutError(500), 'E_CACHE_TIMEOUT'],
] as const;

describe.each(outages)('while the server is %s', (_, make, code) => {
  it('reads find nothing', async () => {
    const { cache, state } = brittle(make);
    await cache.set('k', 1, '1m');
    state.away = true;
    expect(await cache.get('k')).toBeUndefined();
    expect(await cache.getMany(['k', 'l'])).toEqual([undefined, undefined]);
    expect(await cache.has('k')).toBe(false);
  });

  it('getOrSet loads, once for all who ask, and does not wait for the server a second time', async () => {
    const { cache, state, asked } = brittle(make);
    state.away = true;
    const load = vi.fn(async () => ({ n: 1 }));
    const values = await Promise.all([1, 2, 3].map(() => cache.getOrSet('k', '1m', load)));
    expect(values).toEqual([{ n: 1 }, { n: 1 }, { n: 1 }]);
    expect(load).toHaveBeenCalledTimes(1);
    expect(asked).toEqual(['get']);
  });

  it('getOrSet gives what it loaded when the server goes away meanwhile', async () => {
    const { cache, state } = brittle(make);
    const load = async () => {
      state.away = true;
      return 'loaded';
    };
    expect(await cache.getOrSet('k', '1m', load)).toBe('loaded');
  });

  it('getOrSet throws what the load throws', async () => {
    const { cache, state } = brittle(make);
    state.away = true;
    const load = async () => {
      throw new RangeError('no such user');
    };
    await expect(cache.getOrSet('k', '1m', load)).rejects.toThrow('no such user');
  });

  it('whatever changes an entry rejects, and may be repeated', async () => {
    const { cache, state } = brittle(make);
    state.away = true;
    const refused = { code, retryable: true };
    await expect(cache.set('k', 1, '1m')).rejects.toMatchObject(refused);
    await expect(cache.setMany({ k: 1 }, '1m')).rejects.toMatchObject(refused);
    await expect(cache.add('k', 1, '1m')).rejects.toMatchObject(refused);
    await expect(cache.delete('k')).rejects.toMatchObject(refused);
    await expect(cache.take('k')).rejects.toMatchObject(refused);
    await expect(cache.increment('k', '1m')).rejects.toMatchObject(refused);
    await expect(cache.touch('k', '1m')).rejects.toMatchObject(refused);
    await expect(cache.clear()).rejects.toMatchObject(refused);
    await expect(cache.ready()).rejects.toMatchObject(refused);
  });
});

test('an error of another kind is no outage: it passes', async () => {
  const { cache, state } = brittle(() => new TypeError('a bug'));
  state.away = true;
  await expect(cache.get('k')).rejects.toThrow('a bug');
  await expect(cache.getOrSet('k', '1m', () => 1)).rejects.toThrow('a bug');
});

test('an outage is one line of log, however many reads it costs', async () => {
  const { cache, state, clock } = brittle();
  state.away = true;
  for (let i = 0; i < 50; i += 1) {
    await cache.get('k');
    await clock.advance('1s');
  }
  // A call that gets through now and then does not end it, and the next failure does not begin another one.
  state.away = false;
  await cache.get('k');
  state.away = true;
  await cache.getOrSet('k', '1m', () => 1);
  expect(write).toHaveBeenCalledTimes(1);
  expect(JSON.parse(String(write.mock.calls[0]?.[0]))).toMatchObject({
    module: 'cache',
    driver: 'brittle',
    code: 'E_CACHE_UNAVAILABLE',
    msg: expect.stringContaining('reads are misses'),
  });
  state.away = false;
  await clock.advance('5s');
  await cache.get('k');
  state.away = true;
  await cache.get('k');
  expect(write).toHaveBeenCalledTimes(2);
});

test('an operation that failed says so to those who measure, also where the caller sees a miss', async () => {
  const { cache, state } = brittle();
  const seen: unknown[] = [];
  const end = subscribeOperation('cache.get', {
    end: ({ error }) => seen.push((error as { code?: string } | undefined)?.code),
  });
  await cache.get('k');
  state.away = true;
  await cache.get('k');
  end();
  expect(seen).toEqual([undefined, 'E_CACHE_UNAVAILABLE']);
});
