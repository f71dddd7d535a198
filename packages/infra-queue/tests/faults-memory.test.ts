import { describeWith } from '@vibeonrails/services/vitest';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { defineJob, UnrecoverableError } from '../src/index.ts';
import { bench, gate } from './bench.ts';

// The connections say that they are lost and back.
beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));

const poll = { timeout: 30_000, interval: 50 };
const unavailable = (reason: RegExp) =>
  expect.objectContaining({
    code: 'E_QUEUE_UNAVAILABLE',
    retryable: true,
    message: expect.stringMatching(reason),
  });

describeWith('redis', 'a Redis that is full', { maxmemory: '0', appendonly: true }, (redis) => {
  /** More than it holds already, or no limit. */
  const limit = (bytes: string): Promise<string> => redis().command('CONFIG', 'SET', 'maxmemory', bytes);
  afterEach(() => limit('0'));

  test('refuses jobs by a coded error, and takes them again when it has room', {
    timeout: 60_000,
  }, async () => {
    const { queue } = bench({ redis: { url: redis().url } });
    const seen: number[] = [];
    const job = defineJob({ name: 'task', schema: z.number(), handler: (n) => void seen.push(n) });
    await queue.ready();
    await queue.enqueue(job, 1);
    await limit('1mb');
    for (let i = 0; i < 3; i += 1)
      await expect(queue.enqueue(job, 2, { id: 'a' })).rejects.toEqual(unavailable(/OOM/));
    await expect(queue.enqueue(job, 3, { delay: '1s', id: 'b' })).rejects.toEqual(unavailable(/OOM/));
    expect(await queue.enqueueMany(job, [4])).toEqual([{ status: 'failed', error: unavailable(/OOM/) }]);
    expect((await queue.stats()).waiting).toBe(1);
    await limit('0');
    await queue.enqueue(job, 2, { id: 'a' });
    await queue.startWorker();
    await expect.poll(() => seen, poll).toEqual([1, 2]);
  });

  test('tells each of many calls of one moment whether its own job found room', {
    timeout: 60_000,
  }, async () => {
    const { queue } = bench({ redis: { url: redis().url }, prefix: 'moment' });
    const job = defineJob({ name: 'task', schema: z.string(), handler: () => undefined });
    await queue.enqueue(job, 'the way is known from here on');
    await queue.enqueue(job, 'and noted');
    const used = Number(/used_memory:(\d+)/.exec(await redis().command('INFO', 'memory'))?.[1]);
    await limit(String(used + 4_000_000));
    const large = 'x'.repeat(40_000);
    const told = await Promise.allSettled(Array.from({ length: 300 }, () => queue.enqueue(job, large)));
    await limit('0');
    const enqueued = told.filter(({ status }) => status === 'fulfilled');
    const refused = told.flatMap((one) => (one.status === 'rejected' ? one.reason : []));
    expect(enqueued.length).toBeGreaterThan(0);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused).toEqual(refused.map(() => unavailable(/OOM/)));
    expect((await queue.stats()).waiting).toBe(2 + enqueued.length);
  });

  test('lets running jobs keep their locks and come to their ends', { timeout: 90_000 }, async () => {
    const prefix = 'outcomes';
    const { queue } = bench({ redis: { url: redis().url }, prefix });
    const runs: string[] = [];
    const { open, opened } = gate();
    const job = defineJob({
      name: 'task',
      schema: z.string(),
      handler: async (outcome, { attempt, discard }) => {
        runs.push(`${outcome} ${attempt}`);
        if (attempt > 1) return;
        await opened;
        if (outcome === 'discarded') discard('of no use');
        if (outcome === 'retried') throw new Error('again');
        if (outcome === 'dead') throw new UnrecoverableError('never');
      },
      options: { backoff: { type: 'fixed', delay: 10 } },
    });
    const ids = ['done', 'retried', 'discarded', 'dead'];
    for (const id of ids) await queue.enqueue(job, id, { id });
    await queue.startWorker({ concurrency: 4 });
    await expect.poll(() => runs.length, poll).toBe(4);
    await limit('1mb');
    const locks = ids.map((id) => `{${prefix}-default}:default:${id}:lock`);
    for (const lock of locks) await redis().command('PEXPIRE', lock, '600000');
    // Whoever renews one sets its time anew.
    const longest = async (): Promise<number> =>
      Math.max(
        ...(await Promise.all(locks.map(async (lock) => Number(await redis().command('PTTL', lock))))),
      );
    await expect.poll(longest, poll).toBeLessThan(6000);
    open();
    const states = async (): Promise<unknown> =>
      Promise.all(ids.map(async (id) => (await queue.job(id))?.state));
    await expect.poll(states, poll).toEqual(['completed', 'completed', 'completed', 'dead']);
    expect(runs.sort()).toEqual(['dead 1', 'discarded 1', 'done 1', 'retried 1', 'retried 2']);
  });
});

describeWith('redis', 'a Redis that became a replica', { appendonly: true }, (redis) => {
  /** Of a master that is nowhere. */
  const follow = (): Promise<string> => redis().command('REPLICAOF', '127.0.0.1', '1');
  const lead = (): Promise<string> => redis().command('REPLICAOF', 'NO', 'ONE');
  const refusals = async (): Promise<number> =>
    Number(/errorstat_READONLY:count=(\d+)/.exec(await redis().command('INFO', 'errorstats'))?.[1] ?? 0);
  afterEach(lead);

  test('refuses jobs by a coded error, and takes them again when it leads', { timeout: 60_000 }, async () => {
    const { queue } = bench({ redis: { url: redis().url } });
    const seen: number[] = [];
    const job = defineJob({ name: 'task', schema: z.number(), handler: (n) => void seen.push(n) });
    await queue.startWorker();
    await queue.enqueue(job, 1);
    await expect.poll(() => seen, poll).toEqual([1]);
    await follow();
    for (let i = 0; i < 3; i += 1)
      await expect(queue.enqueue(job, 2, { id: 'a' })).rejects.toEqual(unavailable(/READONLY/));
    await lead();
    const enqueued = (): Promise<unknown> => queue.enqueue(job, 2, { id: 'a' }).catch(() => undefined);
    await expect.poll(enqueued, poll).toMatchObject({ id: 'a' });
    await expect.poll(() => seen, poll).toEqual([1, 2]);
  });

  test('takes no attempt from a job that ended just then', { timeout: 60_000 }, async () => {
    const { queue } = bench({ redis: { url: redis().url }, prefix: 'ended' });
    const job = defineJob({
      name: 'task',
      schema: z.null(),
      handler: async () => {
        const before = await refusals();
        await follow();
        void (async () => {
          while ((await refusals()) === before) await new Promise((resolve) => setTimeout(resolve, 5));
          await lead();
        })();
      },
      options: { retries: 0 },
    });
    await queue.startWorker();
    const { id } = await queue.enqueue(job, null);
    const settled = async () => (await queue.job(id).catch(() => undefined))?.finishedAt !== undefined;
    await expect.poll(settled, poll).toBe(true);
    expect(await queue.job(id)).toMatchObject({ state: 'completed' });
  });
});
