import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, type Job, type JobOptions } from '../src/index.ts';
import { bench, gate } from './bench.ts';

interface Call {
  tenant: string;
  n: number;
}
const schema = z.object({ tenant: z.string(), n: z.number() });
const define = (handler: (call: Call) => unknown, options: JobOptions<Call>): Job<typeof schema> =>
  defineJob({ name: 'call', schema, handler, options });

test('a tenant with a thousand jobs leaves slots to the others', async () => {
  const { queue, clock } = bench();
  const running: string[] = [];
  const end = gate();
  const job = define(
    async ({ tenant }) => {
      running.push(tenant);
      await end.opened;
    },
    { concurrency: { limit: 2, key: ({ tenant }) => tenant } },
  );
  const many = Array.from({ length: 1000 }, (_, n) => ({ tenant: 'acme', n }));
  await queue.enqueueMany(job, [...many, { tenant: 'small', n: 0 }]);
  await queue.startWorker({ concurrency: 5 });
  await clock.advance(0);
  await expect.poll(() => running).toEqual(['acme', 'acme', 'small']);
  end.open();
  await expect.poll(async () => (await queue.stats()).completed).toBe(1000);
  expect(running).toHaveLength(1001);
});

test('without a key all jobs of the name share the limit, and those of other names do not', async () => {
  const { queue, clock } = bench();
  let running = 0;
  const end = gate();
  const work = async (): Promise<void> => {
    running += 1;
    await end.opened;
  };
  const job = define(work, { concurrency: { limit: 1 } });
  const other = defineJob({ name: 'other', schema, handler: work, options: { concurrency: { limit: 1 } } });
  await queue.enqueueMany(job, [
    { tenant: 'a', n: 1 },
    { tenant: 'b', n: 2 },
  ]);
  await queue.enqueue(other, { tenant: 'a', n: 1 });
  await queue.startWorker();
  await clock.advance(0);
  await clock.advance('1m');
  expect(running).toBe(2);
  end.open();
  await expect.poll(async () => (await queue.stats()).completed).toBe(3);
});

test('a rate limit spreads the starts over its spans', async () => {
  const { queue, clock } = bench();
  const starts: number[] = [];
  const start = clock.now();
  const job = define(() => starts.push((clock.now() - start) / 60_000), {
    rateLimit: { limit: 2, per: '1m', key: 'provider' },
  });
  await queue.enqueueMany(
    job,
    [1, 2, 3, 4, 5].map((n) => ({ tenant: 'a', n })),
  );
  await queue.startWorker();
  for (let i = 0; i < 5; i += 1) await clock.advance('1m');
  expect(starts).toEqual([0, 0, 1, 1, 2]);
});

test('waiting for a limit is no attempt', async () => {
  const { queue, clock } = bench();
  const attempts: number[] = [];
  const job = defineJob({
    name: 'call',
    schema,
    handler: (_call, { attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) throw new Error('x');
    },
    options: { retries: 1, rateLimit: { limit: 1, per: '1h' } },
  });
  await queue.enqueueMany(job, [
    { tenant: 'a', n: 1 },
    { tenant: 'a', n: 2 },
  ]);
  await queue.startWorker();
  for (let i = 0; i < 6; i += 1) await clock.advance('1h');
  expect(attempts).toEqual([1, 1, 2, 2]);
});

test('a key function that throws fails the attempt', async () => {
  const { queue, clock } = bench();
  const job = define(() => undefined, {
    retries: 0,
    concurrency: {
      limit: 1,
      key: () => {
        throw new TypeError('no tenant');
      },
    },
  });
  await queue.enqueue(job, { tenant: 'a', n: 1 });
  await queue.startWorker();
  await clock.advance('1m');
  expect(await queue.dead()).toMatchObject([{ failure: { name: 'TypeError', message: 'no tenant' } }]);
});

test.each([
  [{ concurrency: { limit: 0 } }, 'concurrency'],
  [{ concurrency: { limit: 1, key: '' } }, 'concurrency'],
  [{ rateLimit: { limit: 1, per: 0 } }, 'rateLimit'],
  [{ rateLimit: { limit: 1.5, per: '1s' } }, 'rateLimit'],
] as const)('a definition with %o is refused', (options, word) => {
  expect(() => define(() => undefined, options)).toThrow(new RegExp(`\`${word}\` must`));
});
