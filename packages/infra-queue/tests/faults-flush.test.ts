import { describeWith } from '@vibeonrails/services/vitest';
import { beforeEach, expect, test, vi } from 'vitest';
import { defineCron } from '../src/index.ts';
import { bench } from './bench.ts';

beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));

const poll = { timeout: 40_000, interval: 100 };

describeWith('redis', 'a Redis that is emptied', { own: true }, (redis) => {
  test('gets the crons of the running workers back', { timeout: 90_000 }, async () => {
    const { queue } = bench({ redis: { url: redis().url } });
    const ticks: number[] = [];
    defineCron({
      name: 'every second',
      schedule: '* * * * * *',
      handler: async ({ scheduledFor }) => void ticks.push(scheduledFor.getTime()),
    });
    await queue.startWorker();
    await expect.poll(() => ticks.length, poll).toBeGreaterThan(0);
    await redis().command('FLUSHALL');
    const flushed = Date.now();
    await expect.poll(() => ticks.filter((tick) => tick > flushed + 1000).length, poll).toBeGreaterThan(1);
    expect(await queue.crons()).toMatchObject([{ name: 'every second', scheduled: true }]);
  });
});
