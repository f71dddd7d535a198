import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeWith } from '@vibeonrails/services/vitest';
import { expect, test } from 'vitest';
import type { Consumer, Gate, Process, QueueDriver } from '../src/driver.ts';
import { bullmqDriver } from '../src/drivers/bullmq.ts';
import { newJob } from '../src/suite/bench.ts';
import { collectingLogger, gate } from './bench.ts';

const week = { count: 1000, age: 7 * 86_400_000 };
const poll = { timeout: 30_000 };

describeWith('redis', 'gates on BullMQ', (redis) => {
  const open = (prefix: string): QueueDriver =>
    bullmqDriver({
      redis: { url: redis().url },
      prefix,
      timeout: 10_000,
      keep: { completed: week, dead: week },
      log: collectingLogger([]),
    });
  /** A handler behind a gate that runs until `end`, or until its job is lost. */
  const behind =
    (driver: QueueDriver, parked: Gate, seen: string[], end: Promise<void>): Process =>
    async (job, run) => {
      const aborted = new Promise((resolve) => {
        run.abort = resolve;
      });
      const delay = await driver.enter(job, parked);
      if (delay > 0) return { type: 'released', delay, parked };
      seen.push(job.id);
      await Promise.race([end, aborted]);
      return { type: 'done' };
    };
  const delayed = async (driver: QueueDriver): Promise<string[]> =>
    (await driver.list({ state: 'delayed', limit: 100 })).map(({ id }) => id);
  const closeAll = async (...all: (Consumer | QueueDriver)[]): Promise<void> => {
    for (const each of all) await each.close();
  };

  test('a run that lost its job to another worker leaves the place to the run that has it', {
    timeout: 120_000,
  }, async () => {
    const prefix = `t${randomUUID()}`;
    const [here, there] = [open(prefix), open(prefix)];
    const one: Gate = { concurrency: { key: 'k', limit: 1 } };
    const [lost, run] = [gate(), gate()];
    const seen: string[][] = [[], []];
    const [first, second] = seen as [string[], string[]];
    await here.add([newJob({ id: 'a' })]);
    let late = 0;
    const losing = here.consume('default', 1, async (job) => {
      if ((await here.enter(job, one)) === 0) first.push(job.id);
      await lost.opened;
      late = await here.enter(job, one);
      return { type: 'done' };
    });
    await expect.poll(() => first, poll).toEqual(['a']);
    await losing.stop();
    const running = there.consume('default', 2, behind(there, one, second, run.opened));
    // What the look for jobs without a lock does: as one step, before the lock is renewed.
    const base = `{${prefix}-default}:default:`;
    const takeOver = `redis.call('DEL', KEYS[1]) redis.call('LREM', KEYS[2], 1, 'a') redis.call('ZADD', KEYS[3], 1, 'a')
      return redis.call('ZADD', KEYS[4], 0, '0')`;
    const keys = ['a:lock', 'active', 'prioritized', 'marker'].map((part) => base + part);
    await redis().command('EVAL', takeOver, '4', ...keys);
    await expect.poll(() => second, poll).toEqual(['a']);
    await there.add([newJob({ id: 'b' })]);
    await expect.poll(() => delayed(there), poll).toEqual(['b']);
    lost.open();
    await losing.close();
    expect(late).toBeGreaterThan(0);
    // Room enough for a newcomer if the place were void.
    await there.add([newJob({ id: 'c' })]);
    await expect.poll(async () => (await delayed(there)).length, poll).toBe(2);
    expect(second).toEqual(['a']);
    run.open();
    await expect.poll(() => second, poll).toEqual(['a', 'b', 'c']);
    await closeAll(running, here, there);
  });

  test('of a long line only the first try again by themselves soon, and those that become the first', {
    timeout: 120_000,
  }, async () => {
    const driver = open(`t${randomUUID()}`);
    const ends = [gate(), gate()];
    const seen: string[] = [];
    const one: Gate = { concurrency: { key: 'k', limit: 1 } };
    const consumer = driver.consume('default', 2, (job, run) =>
      behind(driver, one, seen, (ends[seen.length] ?? ends[1])?.opened as Promise<void>)(job, run),
    );
    const waits = async (): Promise<number[]> =>
      (await driver.list({ state: 'delayed', limit: 100 }))
        .toSorted((a, b) => a.addedAt - b.addedAt || a.id.localeCompare(b.id))
        .map(({ runAt = 0 }) => (runAt - Date.now()) / 1000);
    await driver.add([newJob({ id: 'first' })]);
    await expect.poll(() => seen, poll).toEqual(['first']);
    await driver.add(Array.from({ length: 8 }, (_, i) => newJob({ id: `job${i}` })));
    await expect.poll(async () => (await waits()).length, poll).toBe(8);
    const before = await waits();
    expect(Math.max(...before.slice(0, 3))).toBeLessThanOrEqual(30);
    expect(Math.min(...before.slice(4))).toBeGreaterThan(60);
    ends[0]?.open();
    await expect.poll(() => seen, poll).toEqual(['first', 'job0']);
    await expect.poll(async () => (await waits()).length, poll).toBe(7);
    expect(Math.max(...(await waits()).slice(0, 3))).toBeLessThanOrEqual(30);
    ends[1]?.open();
    await expect.poll(() => seen.length, poll).toBe(9);
    await closeAll(consumer, driver);
  });

  test('one that tries again by itself in vain keeps its place in line', { timeout: 120_000 }, async () => {
    const prefix = `t${randomUUID()}`;
    const driver = open(prefix);
    const end = gate();
    const seen: string[] = [];
    const one: Gate = { concurrency: { key: 'k', limit: 1 } };
    const run = behind(driver, one, seen, end.opened);
    let tries = 0;
    const consumer = driver.consume('default', 2, (job, handle) => {
      tries += 1;
      return run(job, handle);
    });
    await driver.add([newJob({ id: 'first' })]);
    await expect.poll(() => seen, poll).toEqual(['first']);
    for (const [i, id] of ['z', 'y'].entries()) {
      await driver.add([newJob({ id })]);
      await expect.poll(async () => (await delayed(driver)).length, poll).toBe(i + 1);
    }
    const base = `{${prefix}-default}:default:`;
    await redis().command('ZADD', `${base}delayed`, '0', 'z');
    await redis().command('ZADD', `${base}marker`, '0', '0');
    await expect.poll(() => tries, poll).toBe(4);
    await expect.poll(async () => (await delayed(driver)).length, poll).toBe(2);
    end.open();
    await expect.poll(() => seen, poll).toEqual(['first', 'z', 'y']);
    await closeAll(consumer, driver);
  });

  test('the first in line that finds all places void takes one and wakes others for the rest', {
    timeout: 120_000,
  }, async () => {
    const prefix = `t${randomUUID()}`;
    const driver = open(prefix);
    const end = gate();
    const seen: string[] = [];
    const three: Gate = { concurrency: { key: 'k', limit: 3 } };
    const consumer = driver.consume('default', 10, behind(driver, three, seen, end.opened));
    await driver.add(Array.from({ length: 8 }, (_, i) => newJob({ id: `job${i}` })));
    await expect.poll(async () => (await delayed(driver)).length, poll).toBe(5);
    const base = `{${prefix}-default}:default:`;
    // As if their processes had ended: nobody says that the places are free.
    for (const id of seen) await redis().command('HSET', `${base}infra:places:k`, id, 'another');
    const [first = ''] = await delayed(driver);
    await redis().command('ZADD', `${base}delayed`, '0', first);
    await redis().command('ZADD', `${base}marker`, '0', '0');
    await expect.poll(() => seen.length, poll).toBe(6);
    await sleep(300);
    expect(seen.length).toBe(6);
    end.open();
    await expect.poll(async () => (await driver.stats())[0]?.completed, poll).toBe(8);
    await closeAll(consumer, driver);
  });
});
