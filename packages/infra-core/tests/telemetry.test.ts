import { AsyncLocalStorage } from 'node:async_hooks';
import { channel } from 'node:diagnostics_channel';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type OperationEvent, operation, subscribeOperation } from '../src/index.ts';
import { run } from './child.ts';

const gets = operation('cache.get');
const payload = (key = 'k') => ({ key, driver: 'memory' });
let stops: (() => void)[] = [];
const subscribe: typeof subscribeOperation = (name, subscriber) => {
  const stop = subscribeOperation(name, subscriber);
  stops.push(stop);
  return stop;
};

beforeEach(() => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => {
  for (const stop of stops) stop();
  stops = [];
});

test('without subscribers the work is called and nothing else', async () => {
  expect(gets.hasSubscribers).toBe(false);
  const promise = Promise.resolve(1);
  const given = payload();
  expect(gets.trace(() => promise, given)).toBe(promise);
  expect(gets.traceSync(() => 2, given)).toBe(2);
  expect(given).toEqual(payload());
});

test('a subscriber sees the payload at the start, and the result at the end, on one object', async () => {
  const events: [string, OperationEvent<'cache.get'>][] = [];
  subscribe('cache.get', {
    start: (event) => events.push([`start ${'result' in event}`, event]),
    end: (event) => events.push([`end ${event.result}`, event]),
  });
  expect(gets.hasSubscribers).toBe(true);
  expect(await gets.trace(async () => 'hit', payload('user:1'))).toBe('hit');
  expect(events.map(([what]) => what)).toEqual(['start false', 'end hit']);
  expect(events[0]?.[1]).toBe(events[1]?.[1]);
  expect(events[0]?.[1]).toMatchObject({ key: 'user:1', driver: 'memory' });
});

test.each([
  ['resolves', async (): Promise<unknown> => 1, undefined],
  ['resolves with undefined', async (): Promise<unknown> => undefined, undefined],
  ['rejects', (): Promise<unknown> => Promise.reject(new Error('late')), 'late'],
  [
    'throws before it waits',
    (): never => {
      throw new Error('early');
    },
    'early',
  ],
] satisfies [string, () => Promise<unknown>, string | undefined][])(
  'work that %s ends exactly once, and its caller sees what happened',
  async (_, work, message) => {
    const end = vi.fn();
    subscribe('cache.get', { end });
    const caller = (async () => gets.trace(work, payload()))();
    if (message) await expect(caller).rejects.toThrow(message);
    else await caller;
    await turn();
    expect(end).toHaveBeenCalledOnce();
    expect('error' in end.mock.calls[0]![0]).toBe(message !== undefined);
  },
);

test.each([
  ['returns', (): number => 5, false],
  [
    'throws',
    (): never => {
      throw new Error('sync');
    },
    true,
  ],
] as const)('work that does not wait and %s ends exactly once', (_, work, throws) => {
  const end = vi.fn();
  subscribe('cache.get', { end });
  if (throws) expect(() => gets.traceSync(work, payload())).toThrow('sync');
  else expect(gets.traceSync(work, payload())).toBe(5);
  expect(end).toHaveBeenCalledOnce();
});

test('work whose payload has a field of the name "error" ends exactly once all the same', async () => {
  const end = vi.fn();
  subscribe('sample.report', { end });
  await operation('sample.report').trace(async () => 1, { error: 'the one that is reported' });
  expect(end).toHaveBeenCalledOnce();
});

test('work bound to a context sees it, nested and in parallel, and nothing leaks out', async () => {
  const storage = new AsyncLocalStorage<string>();
  const paths: string[] = [];
  subscribe('cache.get', {
    bind: {
      storage: storage as AsyncLocalStorage<never>,
      enter: (event) => `${storage.getStore() ?? ''}/${event.key}`,
    },
    end: (event) => paths.push(`${event.key} ended in ${storage.getStore()}`),
  });
  const work = (name: string): Promise<string> =>
    gets.trace(async () => {
      await turn();
      return gets.trace(async () => {
        await turn();
        return storage.getStore() ?? 'lost';
      }, payload('inner'));
    }, payload(name));
  expect(await Promise.all([work('a'), work('b'), work('c')])).toEqual(['/a/inner', '/b/inner', '/c/inner']);
  expect(storage.getStore()).toBeUndefined();
  expect(paths).toHaveLength(6);
});

test('a subscriber that throws everywhere never reaches the caller, and is logged once', async () => {
  const broken = (): never => {
    throw new Error('subscriber is broken');
  };
  const storage = new AsyncLocalStorage<string>();
  subscribe('cache.get', {
    start: broken,
    end: broken,
    bind: { storage: storage as AsyncLocalStorage<never>, enter: broken },
  });
  const seen = await storage.run('kept', () =>
    Promise.all([
      gets.trace(async () => storage.getStore(), payload()),
      gets.trace(async () => storage.getStore(), payload()),
    ]),
  );
  expect(seen).toEqual(['kept', 'kept']);
  await expect(gets.trace(() => Promise.reject(new Error('mine')), payload())).rejects.toThrow('mine');
  expect(gets.traceSync(() => 1, payload())).toBe(1);
  expect(process.stderr.write).toHaveBeenCalledOnce();
  expect(vi.mocked(process.stderr.write).mock.calls[0]?.[0]).toContain('a telemetry subscriber threw');
});

test('a subscriber that throws, or rejects, does not end the process', async () => {
  const child = run(`
    import { AsyncLocalStorage } from 'node:async_hooks';
    import { operation, subscribeOperation } from '@vibeonrails/infra-core';
    const broken = () => { throw new Error('broken'); };
    subscribeOperation('x.y', { start: broken, end: broken, bind: { storage: new AsyncLocalStorage(), enter: broken } });
    subscribeOperation('x.y', { start: async () => broken(), end: async () => broken() });
    const op = operation('x.y');
    await op.trace(async () => 1, {});
    await op.trace(async () => { throw new Error('mine'); }, {}).catch(() => {});
    op.traceSync(() => 1, {});
    await new Promise((resolve) => setTimeout(resolve, 20));
    console.log('alive');
  `);
  expect(await child.ended).toBe(0);
  expect(child.stdout()).toBe('alive\n');
  expect(child.stderr().match(/a telemetry subscriber threw/g)).toHaveLength(2);
});

test('one broken subscriber does not keep another from hearing', async () => {
  const end = vi.fn();
  subscribe('cache.get', {
    start: () => {
      throw new Error('broken');
    },
  });
  subscribe('cache.get', { end });
  await gets.trace(async () => 1, payload());
  expect(end).toHaveBeenCalledOnce();
});

test('after a subscription ends nothing is heard, and the work is plain again', async () => {
  const storage = new AsyncLocalStorage<string>();
  const end = vi.fn();
  subscribe('cache.get', {
    end,
    bind: { storage: storage as AsyncLocalStorage<never>, enter: () => 'in' },
  })();
  expect(await gets.trace(async () => storage.getStore(), payload())).toBeUndefined();
  expect(end).not.toHaveBeenCalled();
  expect(gets.hasSubscribers).toBe(false);
});

test('the channels are Node’s own, named after the operation', async () => {
  const seen: unknown[] = [];
  const listener = (message: unknown): number => seen.push(message);
  const own = channel('tracing:infra:sample.do:start');
  own.subscribe(listener);
  await operation('sample.do').trace(async () => 1, { any: 'payload' });
  own.unsubscribe(listener);
  expect(seen).toEqual([expect.objectContaining({ any: 'payload' })]);
});

test('a payload that is given twice is two events', async () => {
  const payload = { name: 'same' };
  const twice = operation('test.twice');
  let ends = 0;
  const stop = subscribeOperation('test.twice', {
    end: () => {
      ends += 1;
    },
  });
  await Promise.all([twice.trace(async () => 1, payload), twice.trace(async () => 2, payload)]);
  stop();
  expect(ends).toBe(2);
  expect(payload).toEqual({ name: 'same' });
});

test('a payload with a getter that throws does not reach the caller', async () => {
  const payload = {
    get secret(): string {
      throw new Error('not to be read');
    },
  };
  const stop = subscribeOperation('test.getter', { end: () => undefined });
  await expect(operation('test.getter').trace(async () => 'done', payload)).resolves.toBe('done');
  stop();
});
