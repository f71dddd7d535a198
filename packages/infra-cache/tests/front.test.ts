import { fakeClock } from '@vibeonrails/infra-core/testing';
import { expect, test } from 'vitest';
import { front } from '../src/redis/front.ts';

function make(options: { maxBytes?: number; ttl?: number } = {}) {
  const clock = fakeClock();
  const near = front({ maxBytes: 100_000, ttl: 30_000, clock, ...options });
  near.turnOn();
  const fill = (key: string, text = 'v', ttl = 60_000) => near.fill([key]).keep([{ text, ttl }]);
  return { clock, near, fill };
}

test('what was read is kept until the time it has left is over', async () => {
  const { clock, near, fill } = make();
  fill('k', 'v', 5000);
  await clock.advance(4999);
  expect(near.get('k')).toBe('v');
  await clock.advance(1);
  expect(near.get('k')).toBeUndefined();
});

test('the time that the answer took counts against the entry', async () => {
  const { clock, near } = make();
  const fill = near.fill(['k', 'gone']);
  await clock.advance(400);
  fill.keep([
    { text: 'v', ttl: 1000 },
    { text: 'v', ttl: 400 },
  ]);
  expect(near.get('gone')).toBeUndefined();
  await clock.advance(599);
  expect(near.get('k')).toBe('v');
  await clock.advance(1);
  expect(near.get('k')).toBeUndefined();
});

test('nothing stays longer than the memory says, not even what never expires', async () => {
  const { clock, near, fill } = make({ ttl: 1000 });
  fill('k', 'v', 60_000);
  fill('foreign', 'v', Number.POSITIVE_INFINITY);
  await clock.advance(999);
  expect([near.get('k'), near.get('foreign')]).toEqual(['v', 'v']);
  await clock.advance(1);
  expect([near.get('k'), near.get('foreign')]).toEqual([undefined, undefined]);
});

test('a change that arrives while an entry is on its way wins, for that key alone', () => {
  const { near } = make();
  const fill = near.fill(['a', 'b']);
  near.drop(['a']);
  fill.keep([
    { text: 'old', ttl: 60_000 },
    { text: 'v', ttl: 60_000 },
  ]);
  expect([near.get('a'), near.get('b')]).toEqual([undefined, 'v']);
});

test('a change to anything wins over all that is on its way', () => {
  const { near } = make();
  const fill = near.fill(['a']);
  near.drop();
  fill.keep([{ text: 'old', ttl: 60_000 }]);
  expect(near.get('a')).toBeUndefined();
});

test('of two fills of a key, one that began before a change never takes the place of the later one', () => {
  const { near } = make();
  const early = near.fill(['k']);
  near.drop(['k']);
  const late = near.fill(['k']);
  late.keep([{ text: 'new', ttl: 60_000 }]);
  early.keep([{ text: 'old', ttl: 60_000 }]);
  expect(near.get('k')).toBe('new');
});

test('what was on its way when it was turned off is not kept, even when it is on again', () => {
  const { near } = make();
  const fill = near.fill(['k']);
  near.turnOff();
  near.turnOn();
  fill.keep([{ text: 'old', ttl: 60_000 }]);
  expect(near.get('k')).toBeUndefined();
});

test('turned off it forgets everything and keeps nothing', () => {
  const { near, fill } = make();
  fill('k');
  near.turnOff();
  expect(near.get('k')).toBeUndefined();
  fill('k');
  expect(near.get('k')).toBeUndefined();
});

test('a miss is not kept, nor an entry larger than the memory', () => {
  const { near } = make({ maxBytes: 2000 });
  near.fill(['none', 'big']).keep([undefined, { text: 'x'.repeat(2000), ttl: 60_000 }]);
  expect([near.get('none'), near.get('big')]).toEqual([undefined, undefined]);
});

test('a fill that was given up leaves nothing behind', () => {
  const { near } = make();
  const fill = near.fill(['k']);
  fill.end();
  fill.keep([{ text: 'v', ttl: 60_000 }]);
  expect(near.get('k')).toBeUndefined();
});
