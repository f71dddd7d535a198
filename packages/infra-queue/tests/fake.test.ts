import { clearSlot } from '@vibeonrails/infra-core';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { defineCron, defineJob, enqueue, enqueueMany, type Job, queue, runChain } from '../src/index.ts';
import { fakeQueue } from '../src/testing.ts';
import { collectingLogger } from './bench.ts';

const logger = collectingLogger([]);

afterEach(() => clearSlot('queue.registry'));

const schema = z.object({
  to: z.string(),
  tags: z.array(z.string()).optional(),
  user: z.object({ id: z.number(), name: z.string() }).optional(),
});
const define = (
  handler: (payload: z.output<typeof schema>) => unknown = () => undefined,
  retries = 3,
): Job<typeof schema> => defineJob({ name: 'mail', schema, handler, options: { retries } });

test('nothing runs by itself; what was enqueued can be asserted by a part of its payload', async () => {
  using fake = fakeQueue({ logger });
  let ran = 0;
  const job = define(() => (ran += 1));
  await enqueue(job, { to: 'a', tags: ['x', 'y'], user: { id: 1, name: 'n' } });
  await enqueueMany(job, [{ to: 'b' }, { to: 'b' }]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(ran).toBe(0);
  fake.assertEnqueued(job);
  fake.assertEnqueued(job, { user: { id: 1 } });
  fake.assertEnqueued(job, { to: 'b' }, { times: 2 });
  fake.assertNotEnqueued(job, { to: 'c' });
  expect(() => fake.assertEnqueued(job, { to: 'c' })).toThrow(
    /expected "mail" to be enqueued with {"to":"c"}[\s\S]*\["mail",{"to":"b"}\]/,
  );
  expect(() => fake.assertEnqueued(job, { tags: ['x'] })).toThrow();
  expect(() => fake.assertEnqueued(job, { user: { name: 'other' } })).toThrow();
  expect(() => fake.assertEnqueued(job, { to: 'b' }, { times: 1 })).toThrow(/1 times, not 2/);
  expect(() => fake.assertNotEnqueued(job, { to: 'b' })).toThrow();
  expect(fake.enqueued.map(({ status }) => status)).toEqual(['enqueued', 'enqueued', 'enqueued']);
});

test('a payload is checked as in production', async () => {
  using fake = fakeQueue({ logger });
  const job = define();
  await expect(enqueue(job, { to: 5 as never })).rejects.toMatchObject({ code: 'E_QUEUE_PAYLOAD' });
  fake.assertNotEnqueued(job);
});

test('drain runs what is due, and what that enqueues, but no later retry', async () => {
  using fake = fakeQueue({ logger });
  const ran: string[] = [];
  const follow = defineJob({
    name: 'follow',
    schema: z.string(),
    handler: async (text) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      ran.push(text);
    },
  });
  const job = define(async ({ to }) => {
    ran.push(to);
    await enqueue(follow, `after ${to}`);
    if (to === 'bad') throw new Error('x');
  });
  await enqueue(job, { to: 'good' });
  await enqueue(job, { to: 'bad' });
  expect(await fake.drain()).toEqual({ done: 3, retried: 1, dead: 0, discarded: 0, snoozed: 0 });
  expect(ran.sort()).toEqual(['after bad', 'after good', 'bad', 'good']);
  expect(await fake.drain()).toMatchObject({ done: 0 });
});

test('advance runs delayed jobs, retries and crons in the order of their time', async () => {
  using fake = fakeQueue({ logger, now: new Date('2026-05-01T00:00:00Z') });
  const ran: string[] = [];
  const note = (what: string): number =>
    ran.push(`${new Date(fake.clock.now()).toISOString().slice(11, 19)} ${what}`);
  defineCron({
    name: 'half-hourly',
    schedule: '*/30 * * * *',
    handler: async () => {
      await new Promise((resolve) => setTimeout(resolve, 2));
      note('cron');
    },
  });
  const job = define(({ to }) => {
    note(to);
    if (to === 'fails') throw new Error('x');
  }, 1);
  await enqueue(job, { to: 'later' }, { delay: '45m' });
  await enqueue(job, { to: 'fails' });
  expect(await fake.advance('1h')).toEqual({ done: 3, retried: 1, dead: 1, discarded: 0, snoozed: 0 });
  expect(ran).toEqual([
    '00:00:00 fails',
    '00:00:01 fails',
    '00:30:00 cron',
    '00:45:00 later',
    '01:00:00 cron',
  ]);
  expect(fake.clock.now()).toBe(Date.parse('2026-05-01T01:00:00Z'));
});

test('a day of crons advances', async () => {
  using fake = fakeQueue({ logger });
  defineCron({ name: 'every-minute', schedule: '* * * * *', handler: () => undefined });
  expect(await fake.advance('1d')).toMatchObject({ done: 1440 });
});

test('inline runs a job before enqueue returns, also inside another, and throws what it throws', async () => {
  using fake = fakeQueue({ mode: 'inline', logger });
  const ran: string[] = [];
  const job: Job<typeof schema> = define(async ({ to }) => {
    if (to === 'outer') await enqueue(job, { to: 'inner' });
    if (to === 'bad') throw new TypeError('broken');
    ran.push(to);
  });
  await enqueue(job, { to: 'outer' });
  expect(ran).toEqual(['inner', 'outer']);
  await expect(enqueue(job, { to: 'bad' })).rejects.toThrow(new TypeError('broken'));
  await enqueueMany(job, [{ to: 'm1' }, { to: 'm2' }]);
  await enqueue(job, { to: 'later' }, { delay: '1m' });
  expect(ran).toEqual(['inner', 'outer', 'm1', 'm2']);
  await fake.advance('1m');
  expect(ran).toEqual(['inner', 'outer', 'm1', 'm2', 'later']);
});

test('inline, enqueueMany runs all, and tells what a handler throws as the outcome of its job', async () => {
  using fake = fakeQueue({ mode: 'inline', logger });
  const ran: string[] = [];
  const job = define(({ to }) => {
    ran.push(to);
    if (to === 'bad') throw new TypeError('broken');
  });
  const outcomes = await enqueueMany(job, [{ to: 'a' }, { to: 'bad' }, { to: 5 as never }, { to: 'b' }]);
  expect(ran).toEqual(['a', 'bad', 'b']);
  expect(outcomes).toMatchObject([
    { status: 'enqueued' },
    { status: 'failed', error: new TypeError('broken') },
    { status: 'failed', error: { code: 'E_QUEUE_PAYLOAD' } },
    { status: 'enqueued' },
  ]);
  fake.assertEnqueued(job, { to: 'bad' });
});

test.each([
  ['done', ['first', 'second']],
  ['discard', ['first']],
  ['snooze', ['first']],
])('inline, a chain whose first step ends with %s runs %j, and returns', async (how, expected) => {
  using fake = fakeQueue({ mode: 'inline', logger });
  const ran: string[] = [];
  const first = defineJob({
    name: 'first',
    schema: z.null(),
    handler: (_none, ctx) => {
      ran.push('first');
      if (how === 'discard') ctx.discard('not needed');
      if (how === 'snooze') ctx.snooze('1m');
    },
  });
  const second = defineJob({ name: 'second', schema: z.null(), handler: () => void ran.push('second') });
  await runChain([
    [first, null],
    [second, null],
  ]);
  expect(ran).toEqual(expected);
  expect(fake.enqueued).toHaveLength(2);
});

test('a mode that there is not is refused', () => {
  expect(() => fakeQueue({ mode: 'inlne' as never })).toThrow(
    expect.objectContaining({
      code: 'E_QUEUE_OPTION',
      message: expect.stringContaining("`mode` must be 'manual' or 'inline'"),
    }),
  );
});

test('the former default queue is back after the block, and after restore', async () => {
  const job = define();
  {
    using _fake = fakeQueue({ logger });
    await enqueue(job, { to: 'a' });
    expect((await queue.stats()).waiting).toBe(1);
  }
  expect((await queue.stats()).waiting).toBe(0);
  const fake = fakeQueue({ logger });
  await enqueue(job, { to: 'a' });
  fake.restore();
  fake.restore();
  expect((await queue.stats()).waiting).toBe(0);
  await queue.close();
});

test('a fake is quiet: no warning about missing workers, and no process kept alive', async () => {
  using fake = fakeQueue({ logger });
  await enqueue(define(), { to: 'a' });
  await fake.clock.advance('1m');
  expect(fake.clock.pending()).toBe(0);
});
