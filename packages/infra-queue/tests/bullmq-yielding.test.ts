import { randomUUID } from 'node:crypto';
import { describeWith } from '@vibeonrails/services/vitest';
import { expect, test } from 'vitest';
import type { QueueDriver } from '../src/driver.ts';
import { bullmqDriver } from '../src/drivers/bullmq.ts';
import { newJob } from '../src/suite/bench.ts';
import { collectingLogger } from './bench.ts';

const week = { count: 1000, age: 7 * 86_400_000 };
const poll = { timeout: 30_000, interval: 5 };
const JOBS = 40;

describeWith('redis', 'a job that a worker of BullMQ leaves to others', (redis) => {
  test('is taken by another process before the one that gave it back', { timeout: 120_000 }, async () => {
    const prefix = `t${randomUUID()}`;
    const open = (): QueueDriver =>
      bullmqDriver({
        redis: { url: redis().url },
        prefix,
        timeout: 10_000,
        keep: { completed: week, dead: week },
        log: collectingLogger([]),
      });
    const [ignorant, knowing] = [open(), open()];
    let again = 0;
    const given = new Set<string>();
    const seen: string[] = [];
    const consumers = [
      ignorant.consume('default', 10, async ({ id }) => {
        if (given.has(id)) again += 1;
        given.add(id);
        return { type: 'released', delay: 150, elsewhere: true };
      }),
      knowing.consume('default', 10, async ({ id }) => {
        // Each is to be given back once.
        if (!given.has(id)) return { type: 'released', delay: 0 };
        seen.push(id);
        return { type: 'done' };
      }),
    ];
    for (let i = 1; i <= JOBS; i += 1) {
      await knowing.add([newJob()]);
      await expect.poll(() => seen.length, poll).toBe(i);
    }
    // By chance alone it would meet the same one more than once for each job.
    expect(again).toBeLessThan(JOBS / 2);
    for (const each of [...consumers, ignorant, knowing]) await each.close();
  });
});
