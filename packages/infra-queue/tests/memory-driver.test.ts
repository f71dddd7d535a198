import { fakeClock } from '@vibeonrails/infra-core/testing';
import { describe, it } from 'vitest';
import { memoryDriver } from '../src/drivers/memory.ts';
import { queueDriverSuite } from '../src/testing.ts';

const week = { count: 1000, age: 7 * 86_400_000 };

queueDriverSuite({ describe, it }, 'memory', () => {
  const clock = fakeClock();
  const driver = memoryDriver({ clock, keep: { completed: week, dead: week } });
  return { driver, pass: (ms) => clock.advance(ms) };
});
