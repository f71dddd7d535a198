import { expect, test } from 'vitest';
import { z } from 'zod';
import { perMinute } from '../src/driver.ts';
import { defineJob, type Job } from '../src/index.ts';
import { bench } from './bench.ts';

const failing = (name: string, options = {}): Job<z.ZodString> =>
  defineJob({
    name,
    schema: z.string(),
    handler: (text) => {
      if (text !== 'good') throw new Error(text);
    },
    options: { retries: 0, ...options },
  });

test('stats sum up over queues, and show each', async () => {
  const { queue, clock } = bench();
  await queue.enqueue(failing('a'), 'good');
  await queue.enqueue(failing('b', { queue: 'second' }), 'good', { delay: '1h' });
  await clock.advance('3s');
  const none = { waiting: 0, delayed: 0, active: 0, completed: 0, dead: 0, oldest: 0, throughput: 0 };
  expect(await queue.stats()).toEqual({
    ...none,
    waiting: 1,
    delayed: 1,
    oldest: 3000,
    queues: {
      default: { ...none, waiting: 1, oldest: 3000, paused: false },
      second: { ...none, delayed: 1, paused: false },
    },
  });
});

test('jobs are listed by state, queue, job and page', async () => {
  const { queue } = bench();
  const a = failing('a');
  await queue.enqueueMany(a, ['1', '2', '3']);
  await queue.enqueue(failing('b', { queue: 'second' }), 'x', { delay: '1h', id: 'later' });
  const payloads = async (filter: Parameters<typeof queue.jobs>[0]): Promise<unknown[]> =>
    (await queue.jobs(filter)).map(({ payload }) => payload);
  expect(await payloads({})).toEqual(['1', '2', '3', 'x']);
  expect(await payloads({ limit: 2 })).toEqual(['1', '2']);
  expect(await payloads({ state: 'waiting', limit: 2, offset: 1 })).toEqual(['2', '3']);
  expect(await payloads({ queue: 'second' })).toEqual(['x']);
  expect(await payloads({ job: a })).toEqual(['1', '2', '3']);
  expect(await payloads({ job: 'b' })).toEqual(['x']);
  expect(await queue.job('later')).toEqual({
    id: 'later',
    name: 'b',
    queue: 'second',
    state: 'delayed',
    payload: 'x',
    priority: 'normal',
    attemptsMade: 0,
    addedAt: new Date('2026-01-01T00:00:00Z'),
    runAt: new Date('2026-01-01T01:00:00Z'),
  });
});

test('dead jobs are picked by id, job, queue and time, retried or forgotten', async () => {
  const { queue, clock } = bench();
  const a = failing('a');
  const b = failing('b', { queue: 'second' });
  const worker = await queue.startWorker();
  await queue.enqueue(a, '1', { id: 'a1' });
  await clock.advance('1h');
  const since = new Date(clock.now());
  await queue.enqueue(a, '2', { id: 'a2' });
  await queue.enqueue(b, '3', { id: 'b1' });
  await clock.advance(0);
  await worker.stop();
  const dead = async (): Promise<string[]> => (await queue.dead()).map(({ id }) => id);
  expect(await dead()).toEqual(['b1', 'a2', 'a1']);
  expect((await queue.dead({ job: a, limit: 1 })).map(({ id }) => id)).toEqual(['a2']);
  expect(await queue.retryDead({ queue: 'second' })).toBe(1);
  expect(await queue.job('b1')).toMatchObject({ state: 'waiting', attemptsMade: 0 });
  expect(await queue.retryDead({ job: 'a', since })).toBe(1);
  expect(await dead()).toEqual(['a1']);
  expect(await queue.discardDead({ ids: ['a2', 'none'] })).toBe(0);
  expect(await queue.discardDead({ ids: ['a1'] })).toBe(1);
  expect(await dead()).toEqual([]);
});

test('more dead jobs than fit a page are all retried', async () => {
  const { queue } = bench();
  const job = failing('a');
  await queue.enqueueMany(job, Array(1100).fill('bad'));
  const worker = await queue.startWorker({ concurrency: 100 });
  await worker.idle();
  await worker.stop();
  expect((await queue.stats()).dead).toBe(1100);
  expect(await queue.retryDead()).toBe(1100);
  expect(await queue.stats()).toMatchObject({ dead: 0, waiting: 1100 });
});

test('one queue or all can be paused and resumed', async () => {
  const { queue, clock } = bench();
  const a = failing('a');
  const b = failing('b', { queue: 'second' });
  await queue.startWorker();
  const states = async (): Promise<(string | undefined)[]> => {
    await clock.advance(0);
    return Promise.all(['a', 'b'].map(async (id) => (await queue.job(id))?.state));
  };
  await queue.pause();
  await queue.enqueue(a, 'good', { id: 'a' });
  await queue.enqueue(b, 'good', { id: 'b' });
  expect(await states()).toEqual(['waiting', 'waiting']);
  await queue.resume('second');
  expect(await states()).toEqual(['waiting', 'completed']);
  await queue.resume();
  expect(await states()).toEqual(['completed', 'completed']);
});

test('ended jobs are kept by count and age', async () => {
  const { queue, clock } = bench({
    keep: { completed: { count: 2, age: '1h' }, dead: { count: 1, age: '2h' } },
  });
  const job = failing('a');
  const worker = await queue.startWorker({ concurrency: 1 });
  await queue.enqueueMany(job, ['good', 'good', 'good', 'bad', 'worse']);
  await worker.idle();
  expect(await queue.stats()).toMatchObject({ completed: 2, dead: 1 });
  expect((await queue.dead())[0]?.payload).toBe('worse');
  await clock.advance('61m');
  expect(await queue.stats()).toMatchObject({ completed: 0, dead: 1 });
  await clock.advance('1h');
  expect(await queue.dead()).toEqual([]);
});

test('a thousand completed jobs are kept when nothing is said', async () => {
  const { queue } = bench();
  await queue.enqueueMany(failing('a'), Array(1500).fill('good'));
  await (await queue.startWorker({ concurrency: 100 })).idle();
  expect((await queue.stats()).completed).toBe(1000);
});

test.each([
  ['few in the last minute', { kept: 50, lastMinute: 20, oldest: 1 }, 20],
  ['all of them, and none forgotten', { kept: 50, lastMinute: 50, oldest: 90_000 }, 50],
  ['all that are kept, others forgotten: at their pace', { kept: 100, lastMinute: 100, oldest: 90_000 }, 600],
  ['none kept', { kept: 0, lastMinute: 0, oldest: 0 }, 0],
])('the throughput of a queue with %s', (_what, ended, expected) => {
  expect(perMinute(ended, { count: 100, age: 86_400_000 }, 100_000)).toBe(expected);
});
