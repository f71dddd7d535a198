import { randomUUID } from 'node:crypto';
import { describeWith } from '@vibeonrails/services/vitest';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { heldLocks, lockTable } from '../src/drivers/bullmq/lock-table.ts';
import { defineJob } from '../src/index.ts';
import { bench } from './bench.ts';
import { type Child, patient, startChild } from './processes.ts';

const payload = z.object({ ms: z.number() });

describeWith('redis', 'the locks of jobs on BullMQ', (redis) => {
  /** A process whose handlers block, and a worker beside it that looks for jobs without a lock. */
  const shared = (name: string) => {
    const prefix = `t${randomUUID()}`;
    const { queue } = bench({ redis: { url: redis().url }, prefix });
    const runs: string[] = [];
    const job = defineJob({
      name,
      schema: payload,
      handler: (_payload, { id, attempt }) => void runs.push(`start ${id} ${attempt}`),
    });
    const blocking = (): Promise<Child> =>
      startChild('blocking.ts', { REDIS_URL: redis().url, QUEUE_PREFIX: prefix });
    return { queue, job, runs, blocking };
  };

  test('hold while a handler blocks the event loop: nothing runs twice, not what it keeps waiting either', {
    timeout: 120_000,
  }, async ({ skip }) => {
    const { queue, job, runs, blocking } = shared('blocking');
    const blocked = await blocking();
    // Longer than it takes until a job without a lock is found. It was handed more than the one by then.
    const enqueued = await queue.enqueueMany(job, [{ ms: 9000 }, { ms: 1 }, { ms: 1 }]);
    const ids = enqueued.map((outcome) => ('id' in outcome ? outcome.id : ''));
    await expect.poll(() => blocked.said('start').length, patient).toBeGreaterThan(0);
    await queue.startWorker();
    await expect
      .poll(async () => (await queue.stats()).completed, { ...patient, timeout: 90_000 })
      .toBe(ids.length);
    // No thread renews a lock while the machine does not let it run.
    const starved = Math.max(...blocked.said('starved').map((line) => Number(line.split(' ')[1])));
    if (starved > 1000) skip(`a machine that keeps a thread waiting for ${starved} ms shows nothing`);
    const started = [...blocked.said('start'), ...runs].map((line) => line.split(' ')[1]);
    expect(started.sort()).toEqual([...ids].sort());
  });

  test('run out when a handler blocks for longer than its timeout, and another process takes over', {
    timeout: 120_000,
  }, async () => {
    const { queue, job, runs, blocking } = shared('bounded');
    const blocked = await blocking();
    const { id } = await queue.enqueue(job, { ms: 60_000 });
    await expect.poll(() => blocked.said('start'), patient).toEqual([`start ${id} 1`]);
    await queue.startWorker();
    await expect.poll(() => runs, patient).toEqual([`start ${id} 2`]);
    expect(blocked.said('end')).toEqual([]);
  });
});

test('a table of locks says what is held at a time, and makes room again', () => {
  const table = lockTable(2);
  const locks = (now = 0) => heldLocks(table.buffer, now).map(({ id, token }) => `${id} by ${token}`);
  expect(locks()).toEqual([]);
  const first = table.hold('a', 'token:1', 100);
  table.hold('ü ñ', 'token:2', 200);
  expect(locks().sort()).toEqual(['a by token:1', 'ü ñ by token:2']);
  expect(locks(100)).toEqual(['ü ñ by token:2']);
  // No room: left to the event loop.
  table.hold('b', 'token:3', 100);
  expect(locks()).toHaveLength(2);
  first();
  first();
  table.hold('c', 'token:4', 100);
  table.hold('d', 'token:5', 100);
  expect(locks().sort()).toEqual(['c by token:4', 'ü ñ by token:2']);
});

test('an id that has no room in the table is left to the event loop', () => {
  const table = lockTable(1);
  table.hold('x'.repeat(600), 'token', 100)();
  table.hold('ü'.repeat(300), 'token', 100);
  expect(heldLocks(table.buffer, 0)).toEqual([]);
  table.hold('fits', 'token', 100);
  expect(heldLocks(table.buffer, 0)).toEqual([{ id: 'fits', token: 'token' }]);
});
