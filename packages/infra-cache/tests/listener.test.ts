import { fakeClock } from '@vibeonrails/infra-core/testing';
import { expect, test } from 'vitest';
import { CacheUnavailableError } from '../src/index.ts';
import { listener } from '../src/redis/listener.ts';

/** A listener whose Redis is away; how often it has tried. */
function away() {
  const clock = fakeClock();
  const tries: number[] = [];
  const link = {
    ready: async () => undefined,
    close: async () => undefined,
    async run(): Promise<never> {
      tries.push(clock.now());
      throw new CacheUnavailableError('it is unplugged.');
    },
  };
  const noop = (): void => undefined;
  const events = { onUp: noop, onDown: noop, onMessage: noop };
  const listens = listener({ link, channel: 'c', timeout: 500, connectTimeout: 5000, clock, ...events });
  return { clock, tries, listens };
}

test('it tries again, less and less often, and at least every two seconds', async () => {
  const { clock, tries, listens } = away();
  listens.start();
  listens.start();
  await clock.advance('60s');
  const gaps = tries.slice(1).map((at, i) => at - (tries[i] ?? 0));
  expect(gaps[0]).toBeLessThanOrEqual(100);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(2000);
  expect(tries.length).toBeLessThan(75);
  expect(tries.length).toBeGreaterThan(30);
  listens.close();
});

test('ready tries at once, and gives the last reason when its time is over', async () => {
  const { clock, tries, listens } = away();
  listens.start();
  await clock.advance('60s');
  const before = tries.length;
  const waiting = expect(listens.ready()).rejects.toMatchObject({
    code: 'E_CACHE_UNAVAILABLE',
    message: expect.stringContaining('unplugged'),
  });
  await clock.advance(0);
  expect(tries.length).toBe(before + 1);
  await clock.advance('5s');
  await waiting;
  listens.close();
});

test('closed, it stops trying, waits for nothing, and says so to those who wait', async () => {
  const { clock, tries, listens } = away();
  const waiting = expect(listens.ready()).rejects.toMatchObject({ code: 'E_CACHE_CLOSED' });
  await clock.advance('1s');
  listens.close();
  await waiting;
  const before = tries.length;
  await clock.advance('60s');
  expect([tries.length, clock.pending()]).toEqual([before, 0]);
});
