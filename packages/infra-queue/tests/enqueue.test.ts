import { QueueKeys } from 'bullmq';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, type Job, type JobOptions } from '../src/index.ts';
import { bench, gate } from './bench.ts';

const schema = z.object({ id: z.string() });
const define = (options: JobOptions<{ id: string }> = {}, name = 'task'): Job<typeof schema> =>
  defineJob({ name, schema, handler: ({ id }) => ran.push(id), options });
let ran: string[] = [];

test('enqueue returns the id the job is known by', async () => {
  const { queue } = bench();
  const added = await queue.enqueue(define(), { id: 'a' });
  expect(added).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), status: 'enqueued' });
  expect(await queue.job(added.id)).toMatchObject({ name: 'task', state: 'waiting', payload: { id: 'a' } });
});

test('delay and at hold a job until their time', async () => {
  const { queue, clock } = bench();
  ran = [];
  const job = define();
  await queue.enqueue(job, { id: 'delay' }, { delay: '5m' });
  await queue.enqueue(job, { id: 'at' }, { at: new Date(clock.now() + 60_000) });
  await queue.enqueue(job, { id: 'past' }, { at: new Date(0) });
  await queue.startWorker();
  await clock.advance(0);
  expect(ran).toEqual(['past']);
  await clock.advance('1m');
  expect(ran).toEqual(['past', 'at']);
  await clock.advance('4m');
  expect(ran).toEqual(['past', 'at', 'delay']);
});

test('a priority of the call comes before that of the job', async () => {
  const { queue } = bench();
  ran = [];
  const job = define({ priority: 'low' });
  await queue.enqueue(job, { id: 'low' });
  await queue.enqueue(define({}, 'other'), { id: 'normal' });
  await queue.enqueue(job, { id: 'high' }, { priority: 'high' });
  await (await queue.startWorker({ concurrency: 1 })).idle();
  expect(ran).toEqual(['high', 'normal', 'low']);
});

test('a known id is a duplicate, also when its job has completed', async () => {
  const { queue } = bench();
  const job = define();
  expect(await queue.enqueue(job, { id: 'a' }, { id: 'order-1' })).toEqual({
    id: 'order-1',
    status: 'enqueued',
  });
  await (await queue.startWorker()).idle();
  expect(await queue.enqueue(job, { id: 'b' }, { id: 'order-1' })).toEqual({
    id: 'order-1',
    status: 'duplicate',
  });
});

test('unique jobs are told apart by their key, within their name', async () => {
  const { queue } = bench();
  const job = define({ unique: ({ id }) => id });
  const first = await queue.enqueue(job, { id: 'a' });
  expect(await queue.enqueue(job, { id: 'a' })).toEqual({ id: first.id, status: 'duplicate' });
  expect((await queue.enqueue(job, { id: 'b' })).status).toBe('enqueued');
  expect((await queue.enqueue(define({ unique: 'a' }, 'other'), { id: 'x' })).status).toBe('enqueued');
  expect((await queue.enqueue(job, { id: 'a' }, { unique: 'of the call' })).status).toBe('enqueued');
});

test('a unique window holds for its time', async () => {
  const { queue, clock } = bench();
  const job = define({ unique: { key: 'k', for: '10m' } });
  await queue.enqueue(job, { id: 'a' });
  await (await queue.startWorker()).idle();
  expect((await queue.enqueue(job, { id: 'b' })).status).toBe('duplicate');
  await clock.advance('9m');
  expect((await queue.enqueue(job, { id: 'b' })).status).toBe('duplicate');
  await clock.advance('1m');
  expect((await queue.enqueue(job, { id: 'b' })).status).toBe('enqueued');
});

test('a replacing job takes the place of the one that waits', async () => {
  const { queue, clock } = bench();
  ran = [];
  const job = define({ unique: { key: 'k', onConflict: 'replace' } });
  await queue.enqueue(job, { id: 'old' }, { delay: '1m' });
  await clock.advance('50s');
  const added = await queue.enqueue(job, { id: 'new' }, { delay: '1m' });
  expect(added.status).toBe('replaced');
  await queue.startWorker();
  await clock.advance('30s');
  expect(ran).toEqual([]);
  await clock.advance('30s');
  expect(ran).toEqual(['new']);
});

test.each([
  [{ delay: 'soon' }, /delay/],
  [{ delay: -1 }, /delay/],
  [{ at: new Date(Number.NaN) }, /at/],
  [{ at: '2026-01-01' }, /at/],
  [{ at: new Date(), delay: 1 }, /at/],
  [{ priority: 'urgent' }, /priority/],
  [{ unique: '' }, /unique/],
  [{ unique: { key: 'k', for: 0 } }, /unique/],
  [{ unique: () => undefined }, /unique/],
  [{ id: '123' }, /id/],
  [{ id: 'a:b' }, /id/],
  [{ id: '' }, /id/],
])('the option %o is refused', async (options, words) => {
  const { queue } = bench();
  await expect(queue.enqueue(define(), { id: 'a' }, options as never)).rejects.toMatchObject({
    code: 'E_QUEUE_OPTION',
    message: expect.stringMatching(words),
  });
  expect((await queue.stats()).waiting).toBe(0);
});

const RESERVED = (
  'active completed de delayed dn events failed id limiter marker meta metrics paused pc prioritized priority repeat ' +
  'stalled stalled-check wait waiting-children'
).split(' ');

test.each(RESERVED)('the id %s, a name of BullMQ itself, is refused', async (id) => {
  const { queue } = bench();
  await expect(queue.enqueue(define(), { id: 'a' }, { id })).rejects.toMatchObject({
    code: 'E_QUEUE_OPTION',
    message: expect.stringContaining('`id`'),
  });
  expect((await queue.enqueue(define({}, 'other'), { id: 'a' }, { id: `${id}-1` })).status).toBe('enqueued');
});

test('the list of refused ids has every key that the installed BullMQ knows', () => {
  const known = Object.keys(new QueueKeys('p').getKeys('q')).filter((key) => key !== '');
  expect(known.filter((key) => !RESERVED.includes(key))).toEqual([]);
});

test('enqueueMany tells of each payload what became of it, and keeps the good ones', async () => {
  const { queue, clock } = bench();
  ran = [];
  const job = define({ unique: ({ id }) => id });
  const payloads = [{ id: 'a' }, { id: 7 as never }, { id: 'a' }, { id: 'b' }];
  const outcomes = await queue.enqueueMany(job, payloads, { delay: '1m' });
  expect(outcomes).toMatchObject([
    { status: 'enqueued' },
    { status: 'failed', error: { code: 'E_QUEUE_PAYLOAD', issues: [{ path: 'id' }] } },
    { status: 'duplicate' },
    { status: 'enqueued' },
  ]);
  await queue.startWorker();
  await clock.advance('59s');
  expect(ran).toEqual([]);
  await clock.advance('1s');
  expect(ran).toEqual(['a', 'b']);
});

test('enqueueMany keeps the order over many chunks', async () => {
  const { queue } = bench();
  ran = [];
  const payloads = Array.from({ length: 1203 }, (_, i) => ({ id: String(i) }));
  const outcomes = await queue.enqueueMany(define(), payloads);
  expect(new Set(outcomes.map((outcome) => 'id' in outcome && outcome.id)).size).toBe(1203);
  await (await queue.startWorker({ concurrency: 1 })).idle();
  expect(ran).toEqual(payloads.map(({ id }) => id));
  expect(await queue.enqueueMany(define({}, 'none'), [])).toEqual([]);
});

test('something that is no job is refused in words', async () => {
  const { queue } = bench();
  for (const call of [queue.enqueue(undefined as never, {}), queue.enqueueMany('task' as never, [])])
    await expect(call).rejects.toMatchObject({
      code: 'E_QUEUE_OPTION',
      message: expect.stringContaining('what defineJob() returned'),
    });
});

test('keep-last lets the newest of those that came while one ran follow it, and says what became of each', async () => {
  const { queue, clock } = bench();
  const [running, over] = [gate(), gate()];
  ran = [];
  const job = defineJob({
    ...{ name: 'sync', schema, options: { unique: { key: 'k', onConflict: 'keep-last' } } },
    handler: async ({ id }) => {
      ran.push(id);
      if (id === 'a') await running.opened;
      if (id === 'd') over.open();
    },
  });
  await queue.startWorker();
  const first = await queue.enqueue(job, { id: 'a' });
  await clock.advance(0);
  const added = [];
  for (const id of ['b', 'c', 'd']) added.push(await queue.enqueue(job, { id }));
  expect(added.map(({ status }) => status)).toEqual(['enqueued', 'replaced', 'replaced']);
  expect(new Set([first, ...added].map(({ id }) => id)).size).toBe(4);
  expect(await queue.job(added[2]?.id ?? '')).toMatchObject({ state: 'delayed', payload: { id: 'd' } });
  expect(await queue.job(added[1]?.id ?? '')).toBeUndefined();
  running.open();
  await over.opened;
  expect(ran).toEqual(['a', 'd']);
});

test('keep-last with a time starts jobs of a key so far apart, and loses no last one', async () => {
  const { queue, clock } = bench();
  ran = [];
  const job = define({ unique: { key: 'k', for: '10m', onConflict: 'keep-last' } });
  await queue.startWorker();
  await queue.enqueue(job, { id: 'a' });
  await clock.advance(0);
  for (const id of ['b', 'c']) {
    await queue.enqueue(job, { id });
    await clock.advance('1m');
  }
  expect(ran).toEqual(['a']);
  await clock.advance('8m');
  expect(ran).toEqual(['a', 'c']);
  await queue.enqueue(job, { id: 'd' });
  await clock.advance('9m');
  expect(ran).toEqual(['a', 'c']);
  await clock.advance('1m');
  expect(ran).toEqual(['a', 'c', 'd']);
});
