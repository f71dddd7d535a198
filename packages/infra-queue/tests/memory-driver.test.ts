import { fakeClock } from '@vibeonrails/infra-core/testing';
import { describe, expect, it, test } from 'vitest';
import { memoryDriver } from '../src/drivers/memory.ts';
import { newJob } from '../src/suite/bench.ts';
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

test('forgets ended jobs that are over their count while nobody looks, and those that are too old when one of their id comes', async () => {
  const clock = fakeClock();
  const keep = { completed: { count: 16, age: 60_000 }, dead: week };
  const driver = memoryDriver({ clock, keep });
  driver.consume('default', 10, async () => ({ type: 'done' }));
  for (let i = 0; i < 40; i += 1) await driver.add([newJob({ id: `j${i}` })]);
  await clock.advance(0);
  const known: string[] = [];
  for (let i = 0; i < 40; i += 1) if (await driver.find(`j${i}`)) known.push(`j${i}`);
  expect(known).toEqual(Array.from({ length: 16 }, (_, i) => `j${i + 24}`));
  await clock.advance('61s');
  expect(await driver.add([newJob({ id: 'j39' })])).toEqual([{ id: 'j39', status: 'enqueued' }]);
  await driver.close();
});
