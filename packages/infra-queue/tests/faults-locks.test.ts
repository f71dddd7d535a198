import { randomUUID } from 'node:crypto';
import { describeWith } from '@vibeonrails/services/vitest';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { heldLocks, lockTable } from '../src/drivers/bullmq/lock-table.ts';
import { defineJob, type Job } from '../src/index.ts';
import { bench } from './bench.ts';
import { patient, startChild } from './processes.ts';

const payload = z.object({ ms: z.number() });
const define = (name: string): Job<typeof payload> =>
  defineJob({ name, schema: payload, handler: () => undefined });

describeWith('redis', 'the locks of jobs on BullMQ', (redis) => {
  const shared = () => {
    const prefix = `t${randomUUID()}`;
    const { queue } = bench({ redis: { url: redis().url }, prefix });
    return { queue, env: { REDIS_URL: redis().url, QUEUE_PREFIX: prefix } };
  };

  test('hold while handlers block the event loop: nothing runs twice, not what they keep waiting either', {
    timeout: 120_000,
  }, async ({ skip }) => {
    const { queue, env } = shared();
    const workers = await Promise.all([startChild('blocking.ts', env), startChild('blocking.ts', env)]);
    const job = define('blocking');
    // More than there is room for at once, each for longer than a lock holds and a dead process is found.
    const ids = (
      await queue.enqueueMany(
        job,
        Array.from({ length: 3 }, () => ({ ms: 11_000 })),
      )
    ).map((outcome) => ('id' in outcome ? outcome.id : ''));
    const said = (word: string): string[] => workers.flatMap((worker) => worker.said(word));
    await expect.poll(() => said('end').length, { ...patient, timeout: 90_000 }).toBeGreaterThanOrEqual(3);
    // No thread renews a lock while the machine does not let it run.
    const starved = Math.max(...said('starved').map((line) => Number(line.split(' ')[1])));
    if (starved > 1000) skip(`a machine that keeps a thread waiting for ${starved} ms shows nothing`);
    // What a blocked process was handed besides its own may have cost an attempt before another took it.
    expect(
      said('start')
        .map((line) => line.split(' ')[1])
        .sort(),
    ).toEqual([...ids].sort());
    await expect.poll(async () => (await queue.stats()).completed, patient).toBe(3);
  });

  test('run out when a handler blocks for longer than its timeout, and another process takes over', {
    timeout: 120_000,
  }, async () => {
    const { queue, env } = shared();
    const workers = await Promise.all([startChild('blocking.ts', env), startChild('blocking.ts', env)]);
    const { id } = await queue.enqueue(define('bounded'), { ms: 25_000 });
    await expect
      .poll(() => workers.flatMap((worker) => worker.said('start')), patient)
      .toContain(`start ${id} 2`);
    expect(workers.map((worker) => worker.said('start').length)).toEqual([1, 1]);
    expect(workers.flatMap((worker) => worker.said('end'))).toEqual([]);
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
