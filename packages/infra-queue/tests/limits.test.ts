import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, type Job, type JobOptions } from '../src/index.ts';
import { bench, gate } from './bench.ts';

interface Call {
  tenant: string;
  n: number;
}
const schema = z.object({ tenant: z.string(), n: z.number() });
const define = (
  handler: (call: Call) => unknown,
  options: JobOptions<Call> = {},
  replace = false,
): Job<typeof schema> => defineJob({ name: 'call', schema, handler, options, replace });

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

const fail = (): never => {
  throw new TypeError('no tenant');
};

test('a key function that throws refuses the job, and fails the attempt of one that is stored', async () => {
  const { queue, clock } = bench();
  const options = { retries: 0, concurrency: { limit: 1, key: fail } };
  await queue.enqueue(
    define(() => undefined),
    { tenant: 'a', n: 1 },
  );
  const job = define(() => undefined, options, true);
  await expect(queue.enqueue(job, { tenant: 'a', n: 2 })).rejects.toThrow('no tenant');
  await queue.startWorker();
  await clock.advance('1m');
  expect(await queue.dead()).toMatchObject([{ failure: { name: 'TypeError', message: 'no tenant' } }]);
});

test.each([
  ['concurrency', undefined, 'undefined'],
  ['concurrency', '', 'an empty text'],
  ['rateLimit', null, 'null'],
  ['rateLimit', 7, 'number'],
] as const)(
  'a key function of `%s` that returns %o refuses the job, and a stored one is dead at once',
  async (option, key, word) => {
    const { queue, clock } = bench();
    let ran = 0;
    const run = (): unknown => (ran += 1);
    await queue.enqueue(define(run), { tenant: 'a', n: 1 });
    const limits = { [option]: { limit: 1, per: '1h', key: () => key as never } };
    const job = define(run, limits, true);
    const refused = {
      code: 'E_QUEUE_KEY',
      message: expect.stringContaining(`\`${option}.key\` of "call" returned ${word}`),
    };
    await expect(queue.enqueue(job, { tenant: 'a', n: 2 })).rejects.toMatchObject(refused);
    const many = await queue.enqueueMany(job, [{ tenant: 'a', n: 3 }]);
    expect(many).toMatchObject([{ status: 'failed', error: refused }]);
    await queue.startWorker();
    await clock.advance('1m');
    expect(await queue.dead()).toMatchObject([{ attemptsMade: 1, failure: refused }]);
    expect(ran).toBe(0);
  },
);

test.each([
  [{ concurrency: { limit: 0 } }, 'concurrency'],
  [{ concurrency: { limit: 1, key: '' } }, 'concurrency'],
  [{ rateLimit: { limit: 1, per: 0 } }, 'rateLimit'],
  [{ rateLimit: { limit: 1.5, per: '1s' } }, 'rateLimit'],
] as const)('a definition with %o is refused', (options, word) => {
  expect(() => define(() => undefined, options)).toThrow(new RegExp(`\`${word}\` must`));
});
