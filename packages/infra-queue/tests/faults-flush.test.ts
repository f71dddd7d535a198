import { randomUUID } from 'node:crypto';
import { describeWith } from '@vibeonrails/services/vitest';
import { beforeEach, expect, test, vi } from 'vitest';
import { bench } from './bench.ts';
import { patient, startChild } from './processes.ts';

beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));

const everySecond = (name: string) => ({ name, schedule: '* * * * * *' });

describeWith('redis', 'a Redis that is emptied', { own: true }, (redis) => {
  test('gets the crons of every running worker back, but for those that were removed by hand', {
    timeout: 240_000,
  }, async () => {
    const prefix = `t${randomUUID()}`;
    const env = { REDIS_URL: redis().url, QUEUE_PREFIX: prefix };
    const { queue } = bench({ redis: { url: redis().url }, prefix, timeout: '30s' });
    const started = [['one', 'removed'], ['another']].map((names) =>
      startChild('crons.ts', { ...env, CRONS: JSON.stringify(names.map(everySecond)) }),
    );
    const [one, another] = await Promise.all(started);
    const ran = (): number[] => [one, another].map((child) => child?.said('tick').length ?? 0);
    await expect.poll(() => Math.min(...ran()), patient).toBeGreaterThan(0);
    expect((await queue.crons()).map(({ name }) => name)).toEqual(['another', 'one', 'removed']);

    await redis().command('FLUSHALL');
    const stored = async () => (await queue.crons()).map(({ name }) => name);
    await expect.poll(stored, patient).toEqual(['another', 'one', 'removed']);
    const before = ran();
    await expect.poll(() => ran().every((count, i) => count > (before[i] ?? 0) + 1), patient).toBe(true);

    expect(await queue.removeCron('removed')).toBe(true);
    // One that is gone is seen to be back before one that stays away is believed to.
    for (let rounds = 0; rounds < 2; rounds += 1) {
      await redis().command('HDEL', `{${prefix}-cron}:cron:infra:schedules`, 'one');
      await expect.poll(stored, patient).toEqual(['another', 'one']);
    }
  });
});
