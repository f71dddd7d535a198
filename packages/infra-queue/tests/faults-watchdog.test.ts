import { randomUUID } from 'node:crypto';
import { describeWith } from '@vibeonrails/services/vitest';
import { Worker as BullWorker } from 'bullmq';
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
  const make = (prefix: string, port: number, lines: Line[] = []): QueueDriver =>
    bullmqDriver({
      redis: { url: `redis://127.0.0.1:${port}` },
      ...{ prefix, timeout: 5000, keep: { completed: week, dead: week }, watchEvery: 500 },
      log: collectingLogger(lines),
    });

  test('goes on when all its connections died without a word', { timeout: 90_000 }, async () => {
    const prefix = `t${randomUUID()}`;
    const proxy = await startProxy(redis().port);
    const behind = make(prefix, proxy.port);
    const direct = make(prefix, redis().port);
    const seen: string[] = [];
    const consumer = behind.consume('default', 2, async ({ id }) => {
      seen.push(id);
      return { type: 'done' };
    });
    await direct.add([newJob({ id: 'before' })]);
    await expect.poll(() => seen, poll).toContain('before');
    proxy.freeze();
    await direct.add([newJob({ id: 'after' })]);
    await expect.poll(() => seen, poll).toContain('after');
    await expect.poll(async () => (await direct.find('after'))?.state, poll).toBe('completed');
    await consumer.close();
    await Promise.all([behind.close(), direct.close()]);
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
