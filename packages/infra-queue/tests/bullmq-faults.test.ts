import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@vibeonrails/infra-core';
import { describeWith } from '@vibeonrails/services/vitest';
import { beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { bullmqDriver } from '../src/drivers/bullmq.ts';
import { defineJob, type Queue } from '../src/index.ts';
import { newJob } from '../src/suite/bench.ts';
import { bench, collectingLogger } from './bench.ts';

// The connections say that they are lost and back.
beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));

const poll = { timeout: 30_000, interval: 50 };
const unavailable = expect.objectContaining({ code: 'E_QUEUE_UNAVAILABLE', retryable: true });
const numbers = (seen: Set<number>) =>
  defineJob({ name: 'task', schema: z.number(), handler: (n) => void seen.add(n) });

/** How long a promise takes to settle, and its failure. */
async function timed(promise: Promise<unknown>): Promise<{ ms: number; error: unknown }> {
  const start = performance.now();
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { ms: performance.now() - start, error };
}

describeWith('redis', 'a queue whose Redis fails', { appendonly: true }, (redis) => {
  const open = (): Queue => bench({ redis: { url: redis().url }, timeout: '1s' }).queue;

  test('gone at the start: coded errors in time, and work without a restart when it is there', {
    timeout: 60_000,
  }, async () => {
    const seen = new Set<number>();
    const job = numbers(seen);
    await redis().kill();
    const queue = open();
    const ready = await timed(queue.ready());
    expect(ready.error).toMatchObject({ code: 'E_REDIS_CONNECT', retryable: true });
    const enqueued = await timed(queue.enqueue(job, 1, { id: 'a' }));
    expect(enqueued.error).toEqual(unavailable);
    expect(Math.max(ready.ms, enqueued.ms)).toBeLessThan(4000);
    await expect(queue.stats()).rejects.toEqual(unavailable);
    await expect(queue.startWorker()).rejects.toMatchObject({ retryable: true });
    await redis().restart();
    await expect
      .poll(() => timed(queue.enqueue(job, 1, { id: 'a' })), poll)
      .toMatchObject({ error: undefined });
    await queue.startWorker();
    await expect.poll(() => seen, poll).toEqual(new Set([1]));
  });

  test('killed and started again: nothing acknowledged is lost, and the worker goes on by itself', {
    timeout: 90_000,
  }, async () => {
    const seen = new Set<number>();
    const job = numbers(seen);
    const queue = open();
    await queue.startWorker();
    const acknowledged: number[] = [];
    let failures = 0;
    let stopped = false;
    const producing = (async () => {
      for (let n = 0; !stopped; n += 1) {
        const { error } = await timed(queue.enqueue(job, n, { id: `n${n}` }));
        if (error) {
          expect(error).toEqual(unavailable);
          failures += 1;
        } else acknowledged.push(n);
        await sleep(2);
      }
    })();
    for (let round = 0; round < 2; round += 1) {
      const before = acknowledged.length;
      await expect.poll(() => acknowledged.length, poll).toBeGreaterThan(before + 50);
      await redis().kill();
      await sleep(1500);
      await redis().restart();
    }
    const before = acknowledged.length;
    await expect.poll(() => acknowledged.length, poll).toBeGreaterThan(before + 50);
    stopped = true;
    await producing;
    expect(failures).toBeGreaterThan(0);
    await expect.poll(() => acknowledged.filter((n) => !seen.has(n)), poll).toEqual([]);
  });

  test('frozen: a call fails in time, is safe to repeat, and the worker goes on after the thaw', {
    timeout: 60_000,
  }, async () => {
    const seen = new Set<number>();
    const job = numbers(seen);
    const queue = open();
    await queue.startWorker();
    await queue.enqueue(job, 1);
    await expect.poll(() => seen.size, poll).toBe(1);
    redis().pause();
    const { ms, error } = await timed(queue.enqueue(job, 2, { id: 'frozen' }));
    expect(error).toEqual(unavailable);
    expect(ms).toBeLessThan(4000);
    await sleep(500);
    redis().resume();
    await expect
      .poll(() => timed(queue.enqueue(job, 2, { id: 'frozen' })), poll)
      .toMatchObject({ error: undefined });
    await expect.poll(() => seen, poll).toEqual(new Set([1, 2]));
    await sleep(200);
    expect((await queue.stats()).completed).toBeGreaterThanOrEqual(2);
  });

  test('frozen: a connection that gave no answer in time is made anew', { timeout: 60_000 }, async () => {
    const { queue } = bench({
      redis: { url: redis().url },
      prefix: 'silent',
      timeout: '1s',
      clock: systemClock,
    });
    const producers = async (): Promise<string[]> =>
      [...(await redis().command('CLIENT', 'LIST')).matchAll(/^id=(\d+) .* name=infra-queue /gm)].map(
        ([, id]) => id ?? '',
      );
    const job = numbers(new Set());
    const others = await producers();
    await queue.enqueue(job, 1);
    const before = (await producers()).filter((id) => !others.includes(id));
    expect(before).toHaveLength(1);
    redis().pause();
    expect((await timed(queue.enqueue(job, 2))).error).toEqual(unavailable);
    redis().resume();
    await expect.poll(async () => (await timed(queue.stats())).error, poll).toBeUndefined();
    const after = (await producers()).filter((id) => !others.includes(id));
    expect(after).toHaveLength(1);
    expect(after).not.toEqual(before);
  });

  test('frozen, and nothing said of a timeout: a call fails after five seconds', {
    timeout: 60_000,
  }, async () => {
    const { queue } = bench({ redis: { url: redis().url }, clock: systemClock });
    const job = numbers(new Set());
    await queue.enqueue(job, 1);
    redis().pause();
    const { ms, error } = await timed(queue.enqueue(job, 2));
    redis().resume();
    expect(error).toEqual(unavailable);
    expect(ms).toBeGreaterThan(4900);
    expect(ms).toBeLessThan(9000);
  });

  test('frozen: the deadline is one of the whole call, whatever it waits for', {
    timeout: 60_000,
  }, async () => {
    const { queue, clock } = bench({ redis: { url: redis().url }, timeout: '10m' });
    const job = numbers(new Set());
    await queue.enqueue(job, 1);
    redis().pause();
    let error: unknown;
    void timed(queue.enqueue(job, 2)).then((outcome) => {
      error = outcome.error;
    });
    const late = async (): Promise<unknown> => {
      await clock.advance('10m');
      return error;
    };
    await expect.poll(late, poll).toEqual(unavailable);
    redis().resume();
  });

  test('frozen: noting progress fails in time', { timeout: 60_000 }, async () => {
    const queue = open();
    let noted: Awaited<ReturnType<typeof timed>> | undefined;
    const job = defineJob({
      name: 'progress',
      schema: z.number(),
      handler: async (percent, { progress }) => {
        redis().pause();
        noted = await timed(progress(percent));
        redis().resume();
      },
    });
    await queue.startWorker();
    await queue.enqueue(job, 5).catch(() => undefined);
    await expect.poll(() => noted?.error, poll).toEqual(unavailable);
    expect(noted?.ms).toBeLessThan(4000);
  });

  test('gone for good: stopping and closing come to an end', { timeout: 60_000 }, async () => {
    const queue = open();
    const job = defineJob({ name: 'slow', schema: z.number(), handler: (ms) => sleep(ms) });
    const worker = await queue.startWorker({ grace: '1s' });
    await queue.enqueue(job, 300);
    await expect.poll(() => worker.running, poll).toBe(1);
    await redis().kill();
    const { ms, error } = await timed(worker.stop().then(() => queue.close()));
    expect(error).toBeUndefined();
    expect(ms).toBeLessThan(15_000);
    await expect(queue.stats()).rejects.toMatchObject({ code: 'E_QUEUE_CLOSED' });
    await redis().restart();
  });

  test('a job that takes its process down also while it is given up is dead without being handed out', {
    timeout: 30_000,
  }, async () => {
    const week = { count: 100, age: 7 * 86_400_000 };
    const driver = bullmqDriver({
      redis: { url: redis().url },
      prefix: 'lost',
      timeout: 5000,
      keep: { completed: week, dead: week },
      log: collectingLogger([]),
    });
    await driver.add([newJob({ id: 'a', attempts: 2 })]);
    await redis().command('HSET', '{lost-default}:default:a', 'stc', '4');
    let ran = false;
    const consumer = driver.consume('default', 1, async () => {
      ran = true;
      return { type: 'done' };
    });
    await expect.poll(async () => (await driver.find('a'))?.state, poll).toBe('dead');
    expect((await driver.find('a'))?.failure).toMatchObject({ code: 'E_QUEUE_LOST' });
    expect(ran).toBe(false);
    await driver.retry(['a']);
    await expect.poll(async () => (await driver.find('a'))?.state, poll).toBe('completed');
    await consumer.close();
    await driver.close();
  });

  test('a job that took its process down too often is dead without another run, and its onDead is called once', {
    timeout: 60_000,
  }, async () => {
    const queue = open();
    const told: unknown[] = [];
    let ran = 0;
    const job = defineJob({
      name: 'killer',
      schema: z.string(),
      handler: () => {
        ran += 1;
      },
      options: {
        retries: 2,
        concurrency: { limit: 1 },
        onDead: (error, payload, { id }) => {
          told.push([(error as { code?: string }).code, payload, id]);
          throw new Error('contained');
        },
      },
    });
    const { id } = await queue.enqueue(job, 'x');
    await redis().command('HSET', `{infra-default}:default:${id}`, 'stc', '3');
    await queue.startWorker();
    await expect.poll(async () => (await queue.job(id))?.state, poll).toBe('dead');
    expect((await queue.job(id))?.failure).toMatchObject({ code: 'E_QUEUE_LOST' });
    expect(told).toEqual([['E_QUEUE_LOST', 'x', id]]);
    expect(ran).toBe(0);
  });
});
