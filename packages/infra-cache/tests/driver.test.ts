import { fakeClock } from '@vibeonrails/infra-core/testing';
import { describe, expect, it, test } from 'vitest';
import { memoryDriver } from '../src/drivers/memory.ts';
import { cacheDriverSuite } from '../src/testing.ts';

cacheDriverSuite({ describe, it }, 'memory', () => {
  const clock = fakeClock();
  return { driver: memoryDriver({ maxBytes: 1_000_000, clock }), pass: (ms) => clock.advance(ms) };
});

const driver = (maxBytes: number) => memoryDriver({ maxBytes, clock: fakeClock() });

test('the memory driver stays under its bytes and drops the least recently used first', async () => {
  const memory = driver(10_000);
  const value = 'x'.repeat(1000);
  for (const key of ['a', 'b', 'c', 'd']) await memory.set(key, value, 60_000);
  await memory.get(['a']);
  await memory.set('e', value, 60_000);
  expect((await memory.get(['a', 'b', 'c', 'd', 'e'])).map((text) => text !== undefined)).toEqual([
    true,
    false,
    true,
    true,
    true,
  ]);
});

test('the memory driver keeps an upper bound on real memory', async () => {
  const memory = driver(20_000_000);
  global.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 200_000; i += 1) await memory.set(`key-${i}`, `value ${i} `.repeat(80), 60_000);
  global.gc?.();
  const grown = process.memoryUsage().heapUsed - before;
  expect(grown).toBeLessThan(100_000_000);
});

test('the memory driver refuses an entry larger than all of it, and keeps what it holds', async () => {
  const memory = driver(2000);
  await memory.set('small', 'v', 1000);
  await expect(memory.set('big', 'x'.repeat(2000), 1000)).rejects.toMatchObject({
    code: 'E_CACHE_SIZE',
    key: 'big',
  });
  expect(await memory.get(['small'])).toEqual(['v']);
});
