import { randomUUID } from 'node:crypto';
import { describeWith } from '@vibeonrails/services/vitest';
import { Worker as BullWorker } from 'bullmq';
import { Redis } from 'ioredis5';
import { beforeEach, expect, test, vi } from 'vitest';
import type { QueueDriver } from '../src/driver.ts';
import { bullmqDriver } from '../src/drivers/bullmq.ts';
import { newJob } from '../src/suite/bench.ts';
import { collectingLogger, type Line } from './bench.ts';
import { startProxy } from './fixtures/proxy.ts';

// The connections say that they are lost and back.
beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));

const poll = { timeout: 60_000, interval: 50 };
const week = { count: 100, age: 7 * 86_400_000 };

describeWith('redis', 'a worker that stopped fetching', { own: true }, (redis) => {
  const make = (prefix: string, port: number, lines: Line[] = [], timeout = 5000): QueueDriver =>
    bullmqDriver({
      redis: { url: `redis://127.0.0.1:${port}` },
      ...{ prefix, timeout, keep: { completed: week, dead: week }, watchEvery: 500 },
      log: collectingLogger(lines),
    });

  /** A worker behind a proxy that has run a job, and a way to the same queue that does not lead through it. */
  async function behindProxy() {
    const prefix = `t${randomUUID()}`;
    const proxy = await startProxy(redis().port);
    const behind = make(prefix, proxy.port, [], 1000);
    const direct = make(prefix, redis().port);
    const seen: string[] = [];
    const consumer = behind.consume('default', 2, async ({ id }) => {
      seen.push(id);
      return { type: 'done' };
    });
    await direct.add([newJob({ id: 'before' })]);
    await expect.poll(() => seen, poll).toContain('before');
    const end = async (): Promise<void> => {
      await consumer.close();
      await Promise.all([behind.close(), direct.close()]);
      await proxy.close();
    };
    return { prefix, proxy, direct, seen, end };
  }

  test('goes on when all its connections died without a word', { timeout: 90_000 }, async () => {
    const { proxy, direct, seen, end } = await behindProxy();
    proxy.freeze();
    await direct.add([newJob({ id: 'after' })]);
    await expect.poll(() => seen, poll).toContain('after');
    await expect.poll(async () => (await direct.find('after'))?.state, poll).toBe('completed');
    await end();
  });

  test('goes on when they died with a job that was handed out, and none is due', {
    timeout: 90_000,
  }, async () => {
    const { prefix, proxy, direct, seen, end } = await behindProxy();
    await expect.poll(async () => (await direct.find('before'))?.state, poll).toBe('completed');
    proxy.freeze();
    const connection = new Redis(redis().url, { maxRetriesPerRequest: null });
    const lost = new BullWorker('default', null, {
      ...{ connection, prefix: `{${prefix}-default}`, lockDuration: 500, autorun: false },
    });
    await direct.add([newJob({ id: 'after' })]);
    await expect.poll(async () => (await lost.getNextJob('nobody'))?.id, poll).toBe('after');
    await lost.close(true);
    connection.disconnect();
    await expect.poll(() => seen, poll).toContain('after');
    await end();
  });

  test('is replaced when its connection died without a word as it was made', {
    timeout: 90_000,
  }, async () => {
    const prefix = `t${randomUUID()}`;
    const proxy = await startProxy(redis().port);
    const driver = make(prefix, proxy.port, [], 1000);
    // BullMQ's name for the connection on which a worker waits for jobs.
    proxy.freezeOn(`{${prefix}-default}:${Buffer.from('default').toString('base64')}`);
    const seen: string[] = [];
    const consumer = driver.consume('default', 2, async ({ id }) => {
      seen.push(id);
      return { type: 'done' };
    });
    const ids = Array.from({ length: 5 }, (_, n) => `job-${n}`);
    for (const id of ids) {
      await driver.add([newJob({ id })]);
      await expect.poll(() => seen, poll).toContain(id);
    }
    await consumer.close();
    await driver.close();
    await proxy.close();
  });

  test('a producer whose connection died without a word fails in time, and has another soon', {
    timeout: 60_000,
  }, async () => {
    const proxy = await startProxy(redis().port);
    const driver = make(`t${randomUUID()}`, proxy.port, [], 500);
    await driver.add([newJob({ id: 'before' })]);
    proxy.freeze();
    const add = (): Promise<unknown> =>
      driver.add([newJob({ id: 'after' })]).catch((error: unknown) => error);
    const start = performance.now();
    expect(await add()).toMatchObject({ code: 'E_QUEUE_UNAVAILABLE', retryable: true });
    expect(performance.now() - start).toBeLessThan(10_000);
    await expect.poll(add, poll).toEqual([{ id: 'after', status: expect.any(String) }]);
    await driver.close();
    await proxy.close();
  });

  test('is replaced when its loop has ended', { timeout: 90_000 }, async () => {
    // Nothing of BullMQ's says so.
    vi.spyOn(BullWorker.prototype, 'run').mockImplementationOnce(async () => undefined);
    const lines: Line[] = [];
    const driver = make(`t${randomUUID()}`, redis().port, lines);
    const seen: string[] = [];
    const consumer = driver.consume('default', 2, async ({ id }) => {
      seen.push(id);
      return { type: 'done' };
    });
    await driver.add([newJob({ id: 'a' })]);
    await expect.poll(() => seen, poll).toEqual(['a']);
    expect(lines.map(({ message }) => message)).toContain(
      'a worker fetches none of the jobs that are due: another takes its place',
    );
    await consumer.close();
    await driver.close();
  });

  test('is left alone while its queue is paused, and while it is busy', { timeout: 60_000 }, async () => {
    const lines: Line[] = [];
    const driver = make(`t${randomUUID()}`, redis().port, lines);
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    await driver.pause('paused');
    await driver.add([newJob({ queue: 'paused' }), newJob({ id: 'first' }), newJob({ id: 'second' })]);
    const ended: string[] = [];
    const paused = driver.consume('paused', 1, async () => ({ type: 'done' }));
    const busy = driver.consume('default', 1, async ({ id }) => {
      await gate;
      ended.push(id);
      return { type: 'done' };
    });
    await expect.poll(async () => (await driver.find('first'))?.state, poll).toBe('active');
    // Eight looks, of which three would be enough.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    open();
    await expect.poll(() => ended, poll).toEqual(['first', 'second']);
    expect(lines.filter(({ message }) => message.includes('fetches none'))).toEqual([]);
    await Promise.all([paused.close(), busy.close()]);
    await driver.close();
  });
});
