import { fakeClock } from '@vibeonrails/infra-core/testing';
import { describe, expect, it, test } from 'vitest';
import { memoryDriver } from '../src/drivers/memory.ts';
import { queueDriverSuite } from '../src/testing.ts';

const week = { count: 1000, age: 7 * 86_400_000 };

queueDriverSuite({ describe, it }, 'memory', () => {
  const clock = fakeClock();
  const driver = memoryDriver({ clock, keep: { completed: week, dead: week } });
  return { driver, pass: (ms) => clock.advance(ms) };
});

test('storing an equal schedule at the very moment of its tick loses nothing', async () => {
  const clock = fakeClock();
  const driver = memoryDriver({ clock, keep: { completed: week, dead: week } });
  const daily = {
    name: 'd',
    queue: 'cron',
    pattern: '@daily',
    timezone: 'UTC',
    overlap: 'skip',
    catchUp: 1,
    jitter: 0,
    attempts: 1,
  } as const;
  clock.after(86_400_000, () => void driver.schedule({ ...daily }));
  await driver.schedule(daily);
  await clock.advance('1d');
  expect(await driver.list({ state: 'waiting', limit: 10 })).toMatchObject([{ name: 'd' }]);
  await driver.close();
});
