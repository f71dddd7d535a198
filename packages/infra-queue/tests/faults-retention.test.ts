import { randomUUID } from 'node:crypto';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterEach, expect, test, vi } from 'vitest';
import { bullmqDriver } from '../src/drivers/bullmq.ts';
import { newJob } from '../src/suite/bench.ts';
import { collectingLogger } from './bench.ts';

afterEach(() => void vi.useRealTimers());

const poll = { timeout: 30_000, interval: 50 };

describeWith('redis', 'jobs that have ended, in a queue where no other does', (redis) => {
  test('are forgotten once they are older than they are kept', { timeout: 60_000 }, async () => {
    const day = { count: 100, age: 86_400_000 };
    const driver = bullmqDriver({
      ...{ redis: { url: redis().url }, prefix: `t${randomUUID()}`, timeout: 5000 },
      keep: { completed: { count: 100, age: 500 }, dead: day },
      log: collectingLogger([]),
    });
    // A minute lies between two sweeps.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const consumer = driver.consume('default', 1, async ({ id }) =>
      id === 'dead' ? { type: 'dead', error: new Error('x') } : { type: 'done' },
    );
    await driver.add([newJob({ id: 'dead' }), newJob({ id: 'done' })]);
    await expect.poll(async () => (await driver.find('done'))?.state, poll).toBe('completed');
    await expect
      .poll(async () => {
        await vi.advanceTimersByTimeAsync(60_000);
        return driver.find('done');
      }, poll)
      .toBeUndefined();
    expect((await driver.find('dead'))?.state).toBe('dead');
    await consumer.close();
    await driver.close();
  });
});
