import { randomUUID } from 'node:crypto';
import { currentContext, type InfraContext, runWithContext } from '@vibeonrails/infra-core';
import { describeWith } from '@vibeonrails/services/vitest';
import { Queue as BullQueue, Worker as BullWorker } from 'bullmq';
import { Redis } from 'ioredis5';
import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import {
  type CatchUp,
  createQueue,
  defineCron,
  defineJob,
  type Queue,
  type QueueOptions,
} from '../src/index.ts';
import { bench, collectingLogger, gate } from './bench.ts';

const poll = { timeout: 15_000, interval: 20 };
const context: InfraContext = {
  trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true, state: 'x=1' },
  requestId: 'req-1',
  baggage: { tenant: 'acme' },
};

describeWith('redis', 'a queue on BullMQ', (redis) => {
  const open = (more: QueueOptions = {}): { queue: Queue; prefix: string } => {
    const prefix = `t${randomUUID()}`;
    return { queue: bench({ redis: { url: redis().url }, prefix, ...more }).queue, prefix };
  };

  test("an id that is a name of BullMQ's own is refused, and the queue goes on", {
    timeout: 30_000,
  }, async () => {
    const { queue } = open();
    const ran: string[] = [];
    const job = defineJob({ name: 'task', schema: z.null(), handler: (_none, { id }) => void ran.push(id) });
    for (const id of ['wait', 'active', 'prioritized', 'marker', 'id', 'meta', 'limiter'])
      await expect(queue.enqueue(job, null, { id })).rejects.toMatchObject({ code: 'E_QUEUE_OPTION' });
    expect((await queue.enqueue(job, null, { id: 'wait-1' })).status).toBe('enqueued');
    await queue.startWorker();
    await expect.poll(() => ran, poll).toEqual(['wait-1']);
  });

  test('the job of the specification runs as printed', { timeout: 30_000 }, async () => {
    const { queue } = open();
    const sent: string[] = [];
    const sendEmail = defineJob({
      name: 'send-email',
      schema: z.object({ to: z.string().email(), template: z.string() }),
      handler: async ({ to, template }) => {
        sent.push(`${template} to ${to}`);
      },
      options: { retries: 3, backoff: 'exponential' },
    });
    await queue.startWorker();
    await queue.enqueue(sendEmail, { to: 'user@test.com', template: 'welcome' });
    await expect.poll(() => sent, poll).toEqual(['welcome to user@test.com']);
    expect(queue.driver).toBe('bullmq');
  });

  test('a cron runs at its ticks and is listed with the next', { timeout: 30_000 }, async () => {
    const { queue } = open();
    const ticks: number[] = [];
    defineCron({
      name: 'cleanup sessions',
      schedule: '* * * * * *',
      handler: async ({ scheduledFor }) => void ticks.push(scheduledFor.getTime()),
    });
    await queue.startWorker();
    await expect.poll(() => ticks.length, poll).toBeGreaterThanOrEqual(2);
    expect((ticks[1] ?? 0) - (ticks[0] ?? 0)).toBe(1000);
    expect(await queue.crons()).toMatchObject([{ name: 'cleanup sessions', scheduled: true, defined: true }]);
  });

  test('ticks that passed while no worker ran are made up for as asked, also after the schedule is stored again', {
    timeout: 60_000,
  }, async () => {
    const { queue, prefix } = open();
    const runs: [string, number][] = [];
    const define = (name: string, catchUp: CatchUp): void =>
      void defineCron({
        ...{ name, catchUp, schedule: '0 0 1 1 *', overlap: 'queue' },
        handler: async ({ scheduledFor }) => void runs.push([name, scheduledFor.getUTCFullYear()]),
      });
    define('none', 'none');
    define('latest', 'latest');
    define('two', { all: true, max: 2 });
    await (await queue.startWorker()).stop();
    const client = new Redis(redis().url);
    const next = `{${prefix}-cron}:cron:infra:next`;
    const year = new Date().getUTCFullYear();
    // As if nobody had run since.
    for (const name of ['none', 'latest', 'two']) await client.hset(next, name, Date.UTC(year - 5, 0, 1));
    await queue.startWorker();
    await expect.poll(() => runs.length, poll).toBe(3);
    const coming = Date.UTC(year + 1, 0, 1);
    await expect.poll(() => client.hvals(next), poll).toEqual([coming, coming, coming].map(String));
    expect(runs.toSorted()).toEqual([
      ['latest', year],
      ['two', year - 1],
      ['two', year],
    ]);
    client.disconnect();
  });

  test('a job runs in the context it was enqueued in, also after a retry', { timeout: 30_000 }, async () => {
    const { queue } = open();
    const seen: InfraContext[] = [];
    const job = defineJob({
      name: 'task',
      schema: z.string(),
      handler: async () => {
        seen.push(currentContext());
        if (seen.length === 1) throw new Error('x');
      },
      options: { backoff: { type: 'fixed', delay: 50 } },
    });
    await runWithContext(context, () => queue.enqueue(job, 'x'));
    await queue.startWorker();
    await expect.poll(() => seen, poll).toEqual([context, context]);
  });

  test('a chain runs step by step, and a job of a newer version waits for who knows it', {
    timeout: 30_000,
  }, async () => {
    const { queue } = open();
    const seen: string[] = [];
    const step = (name: string, version: number) =>
      defineJob({
        ...{ name, schema: z.string(), replace: true },
        handler: (text) => void seen.push(`${name} ${text}`),
        options: { version, migrate: version === 1 ? {} : { 1: (old: never) => old }, queue: name },
      });
    await queue.runChain([
      [step('a', 1), '1'],
      [step('b', 2), '2'],
    ]);
    step('b', 1);
    await queue.startWorker();
    await expect.poll(async () => (await queue.jobs({ job: 'b', state: 'delayed' })).length, poll).toBe(1);
    expect(seen).toEqual(['a 1']);
    step('b', 2);
    await expect.poll(() => seen, poll).toEqual(['a 1', 'b 2']);
  });

  test('limits by key hold, and what waits for them runs when there is room', {
    timeout: 60_000,
  }, async () => {
    const { queue } = open();
    let [running, most, done] = [0, 0, 0];
    const job = defineJob({
      name: 'call',
      schema: z.object({ tenant: z.string() }),
      handler: async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 20));
        running -= 1;
        done += 1;
      },
      options: { concurrency: { limit: 2, key: ({ tenant }) => tenant } },
    });
    await queue.enqueueMany(
      job,
      Array.from({ length: 30 }, () => ({ tenant: 'acme' })),
    );
    const workers = [
      await queue.startWorker({ concurrency: 5 }),
      await queue.startWorker({ concurrency: 5 }),
    ];
    await expect.poll(() => done, { timeout: 25_000 }).toBe(30);
    expect(most).toBe(2);
    await Promise.all(workers.map((worker) => worker.stop()));
  });

  test('a plain BullMQ worker runs what enqueue wrote', { timeout: 30_000 }, async () => {
    const { queue, prefix } = open();
    const job = defineJob({ name: 'task', schema: z.object({ n: z.number() }), handler: () => undefined });
    const { id } = await queue.enqueue(job, { n: 1 });
    await queue.enqueue(job, { n: 2 }, { delay: 50, priority: 'high' });
    const seen: unknown[] = [];
    const options = {
      connection: new Redis(redis().url, { maxRetriesPerRequest: null }),
      prefix: `{${prefix}-default}`,
    };
    const plain = new BullQueue('default', options);
    expect(await plain.getJob(id)).toMatchObject({ name: 'task', data: { n: 1 }, opts: { attempts: 4 } });
    const worker = new BullWorker('default', async ({ name, data }) => void seen.push([name, data]), options);
    await expect.poll(() => seen.length, poll).toBe(2);
    // Which of them is first depends on whether the second was due by the time the worker came.
    expect(seen).toEqual(
      expect.arrayContaining([
        ['task', { n: 1 }],
        ['task', { n: 2 }],
      ]),
    );
    await expect.poll(async () => (await queue.job(id))?.state, poll).toBe('completed');
    await worker.close();
    await plain.close();
    options.connection.disconnect();
  });

  test('a plain BullMQ worker lets the last that was kept follow', { timeout: 60_000 }, async () => {
    const { queue, prefix } = open();
    const unique = { key: 'k', onConflict: 'keep-last' } as const;
    const job = defineJob({
      ...{ name: 'task', schema: z.number(), handler: () => undefined, options: { unique } },
    });
    await queue.enqueue(job, 1);
    const seen: unknown[] = [];
    const running = gate();
    const options = {
      connection: new Redis(redis().url, { maxRetriesPerRequest: null }),
      prefix: `{${prefix}-default}`,
    };
    const run = async ({ data }: { data: unknown }): Promise<void> => {
      seen.push(data);
      if (data === 1) await running.opened;
    };
    const worker = new BullWorker('default', run, options);
    await expect.poll(() => seen, poll).toEqual([1]);
    const added = [await queue.enqueue(job, 2), await queue.enqueue(job, 3)];
    expect(added.map(({ status }) => status)).toEqual(['enqueued', 'replaced']);
    running.open();
    await expect.poll(() => seen, poll).toEqual([1, 3]);
    await worker.close();
    options.connection.disconnect();
  });

  test('a worker runs what a plain BullMQ queue added under the name of a job', {
    timeout: 30_000,
  }, async () => {
    const { queue, prefix } = open();
    const seen: unknown[] = [];
    defineJob({
      name: 'task',
      schema: z.object({ n: z.number() }),
      handler: (payload, { attempt }) => {
        seen.push([payload, attempt]);
        if (seen.length === 1) throw new Error('once');
      },
      options: { backoff: { type: 'fixed', delay: 50 } },
    });
    await queue.startWorker();
    const connection = new Redis(redis().url);
    const plain = new BullQueue('default', { connection, prefix: `{${prefix}-default}` });
    const { id = '' } = await plain.add('task', { n: 7 });
    await expect
      .poll(() => seen, poll)
      .toEqual([
        [{ n: 7 }, 1],
        [{ n: 7 }, 2],
      ]);
    await expect.poll(async () => (await queue.job(id))?.state, poll).toBe('completed');
    await plain.close();
    connection.disconnect();
  });

  test('a dead job shows its failure to BullMQ and to us, and is retried', { timeout: 30_000 }, async () => {
    const { queue, prefix } = open();
    let ran = 0;
    const job = defineJob({
      name: 'task',
      schema: z.string(),
      handler: () => {
        ran += 1;
        if (ran === 1) throw new TypeError('no way');
      },
      options: { retries: 0 },
    });
    await queue.startWorker();
    const { id } = await queue.enqueue(job, 'x');
    await expect.poll(async () => (await queue.job(id))?.state, poll).toBe('dead');
    expect(await queue.dead()).toMatchObject([{ id, failure: { name: 'TypeError', message: 'no way' } }]);
    const connection = new Redis(redis().url);
    const plain = new BullQueue('default', { connection, prefix: `{${prefix}-default}` });
    expect((await plain.getFailed())[0]).toMatchObject({ id, failedReason: 'no way' });
    expect(await queue.retryDead()).toBe(1);
    await expect.poll(async () => (await queue.job(id))?.state, poll).toBe('completed');
    await plain.close();
    connection.disconnect();
  });

  test('many are enqueued at once, in order, and an id is enqueued once by any number of processes', {
    timeout: 30_000,
  }, async () => {
    const { queue, prefix } = open();
    const { queue: other } = open({ prefix });
    const job = defineJob({ name: 'task', schema: z.number(), handler: () => undefined });
    const outcomes = await queue.enqueueMany(
      job,
      Array.from({ length: 1200 }, (_, i) => i),
    );
    expect(outcomes.every(({ status }) => status === 'enqueued')).toBe(true);
    const listed = await queue.jobs({ state: 'waiting', limit: 2000 });
    expect(listed.map(({ payload }) => payload)).toEqual(Array.from({ length: 1200 }, (_, i) => i));
    const same = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? queue : other).enqueue(job, i, { id: 'once' })),
    );
    expect(same.filter(({ status }) => status === 'enqueued')).toHaveLength(1);
  });

  test('a server that has forgotten its scripts is told them again', { timeout: 30_000 }, async () => {
    const { queue } = open();
    const job = defineJob({ name: 'task', schema: z.string(), handler: () => undefined });
    await queue.enqueue(job, 'x', { id: 'a' });
    await redis().command('SCRIPT', 'FLUSH');
    expect(await queue.enqueue(job, 'x', { id: 'b' })).toEqual({ id: 'b', status: 'enqueued' });
    expect(await queue.enqueue(job, 'x', { id: 'b' })).toEqual({ id: 'b', status: 'duplicate' });
    expect((await queue.stats()).waiting).toBe(2);
  });

  test('what runs in one process is cancelled from another', { timeout: 30_000 }, async () => {
    const { queue, prefix } = open();
    const { queue: other } = open({ prefix });
    let reason: unknown;
    const job = defineJob({
      name: 'task',
      schema: z.string(),
      handler: async (_, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        reason = signal.reason;
        signal.throwIfAborted();
      },
    });
    await queue.startWorker();
    const { id } = await other.enqueue(job, 'x');
    await expect.poll(async () => (await other.job(id))?.state, poll).toBe('active');
    expect(await other.cancelJob(id)).toBe('signalled');
    await expect.poll(async () => (await other.job(id))?.state, poll).toBe('completed');
    expect(reason).toMatchObject({ code: 'E_QUEUE_CANCELLED' });
    expect(await other.job(id)).toMatchObject({ discarded: 'cancelled', attemptsMade: 0 });
  });

  test('jobs of one moment run in the order of their calls, with an id of their own or without', async () => {
    const { queue } = bench({ redis: { url: redis().url }, prefix: `t${randomUUID()}` });
    const seen: number[] = [];
    const job = defineJob({ name: 'task', schema: z.number(), handler: (n) => void seen.push(n) });
    await queue.enqueue(job, 0);
    await queue.enqueue(job, 1);
    const ids = [undefined, undefined, 'a', undefined, 'b', undefined, undefined];
    await Promise.all(ids.map((id, i) => queue.enqueue(job, i + 2, id ? { id } : {})));
    await queue.startWorker({ concurrency: 1 });
    await expect.poll(() => seen, poll).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('a handler that changes its payload changes neither what onDead is told nor another attempt', async () => {
    const { queue } = bench({ redis: { url: redis().url }, prefix: `t${randomUUID()}` });
    const told: unknown[] = [];
    const seen: unknown[] = [];
    const job = defineJob({
      name: 'task',
      schema: z.custom<{ list: number[] }>(),
      handler: (payload) => {
        seen.push([...payload.list]);
        payload.list.push(2);
        throw new Error('again');
      },
      options: {
        retries: 1,
        backoff: { type: 'fixed', delay: 1 },
        onDead: (_error, payload) => void told.push(payload),
      },
    });
    await queue.enqueue(job, { list: [1] });
    await queue.startWorker();
    await expect.poll(() => told, poll).toEqual([{ list: [1] }]);
    expect(seen).toEqual([[1], [1]]);
  });

  test('what a handler throws is a failure whatever it is, and the worker goes on', async () => {
    const { queue } = bench({ redis: { url: redis().url }, prefix: `t${randomUUID()}` });
    const wrong = [
      Object.assign(Object.create(null), { code: 'X' }),
      Object.assign(new Error('x'), { message: { why: 1 }, stack: 7 }),
    ];
    const job = defineJob({
      name: 'task',
      schema: z.number(),
      handler: (i) => {
        throw wrong[i];
      },
      options: { retries: 1, backoff: { type: 'fixed', delay: 1 } },
    });
    await queue.enqueueMany(job, [0, 1]);
    await queue.startWorker({ concurrency: 1 });
    const failures = async () => (await queue.dead()).map(({ failure }) => failure?.message).sort();
    await expect.poll(failures, poll).toEqual(['{"code":"X"}', '{"why":1}']);
  });

  test('an event loop that is blocked past the deadline does not make a call fail that was answered', async () => {
    const { queue } = bench({ redis: { url: redis().url }, prefix: `t${randomUUID()}`, timeout: '500ms' });
    const job = defineJob({ name: 'task', schema: z.number(), handler: () => undefined });
    await queue.enqueue(job, 0);
    await queue.enqueue(job, 1);
    const calls = [queue.enqueue(job, 2), queue.enqueue(job, 3, { id: 'mine' }), queue.stats()];
    await new Promise((resolve) => setImmediate(resolve));
    for (const end = Date.now() + 700; Date.now() < end; );
    await Promise.all(calls);
    expect((await queue.stats()).waiting).toBe(4);
  });

  test('a queue is known again soon after Redis was emptied, also to a process that only enqueues', async () => {
    const { queue } = bench({ redis: { url: redis().url }, prefix: `t${randomUUID()}` });
    const job = defineJob({ name: 'task', schema: z.number(), handler: () => undefined });
    await queue.enqueue(job, 0);
    await queue.enqueue(job, 1);
    await redis().command('FLUSHALL');
    const now = Date.now();
    const later = vi.spyOn(Date, 'now').mockImplementation(() => now + 11_000);
    await queue.enqueue(job, 2);
    later.mockRestore();
    expect((await queue.stats()).waiting).toBe(1);
  });

  test('closed with calls on their way: it waits for what becomes of them', async () => {
    const prefix = `t${randomUUID()}`;
    const open = (): Queue => bench({ redis: { url: redis().url }, prefix }).queue;
    const job = defineJob({ name: 'task', schema: z.number(), handler: () => undefined });
    const queue = open();
    const first = queue.enqueue(job, 0);
    await queue.close();
    expect(await first).toMatchObject({ status: 'enqueued' });
    await expect(queue.enqueue(job, 0)).rejects.toMatchObject({ code: 'E_QUEUE_CLOSED' });

    const again = open();
    await again.enqueue(job, 0);
    await again.enqueue(job, 0);
    const calls = Array.from({ length: 50 }, (_, i) => again.enqueue(job, i));
    calls.push(again.enqueue(job, 0, { id: 'mine' }));
    const many = again.enqueueMany(job, [1, 2, 3]);
    await again.close();
    await Promise.all([...calls, many]);
    expect((await open().stats()).waiting).toBe(3 + 51 + 3);
  });
});

describeWith(
  'redis',
  'a Redis that evicts',
  { maxmemory: '64mb', maxmemoryPolicy: 'allkeys-lru' },
  (redis) => {
    test('makes the queue unready, with what to do', async () => {
      const { queue } = bench({ redis: { url: redis().url } });
      expect(await queue.health()).toMatchObject({
        status: 'error',
        message: expect.stringMatching(/allkeys-lru.*noeviction/),
        data: { driver: 'bullmq', waiting: 0 },
      });
      await redis().command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
      expect((await queue.health()).status).toBe('ok');
    });
  },
);

test('the variables choose the driver', () => {
  const driver = (env: Record<string, string>, options: QueueOptions = {}): string => {
    const queue = createQueue({ env, logger: collectingLogger([]), ...options });
    void queue.close();
    return queue.driver;
  };
  const url = 'redis://127.0.0.1:1';
  expect(driver({})).toBe('memory');
  expect(driver({ REDIS_URL: url })).toBe('bullmq');
  expect(driver({ QUEUE_REDIS_URL: url, NODE_ENV: 'production' })).toBe('bullmq');
  expect(driver({ REDIS_URL: url, QUEUE_DRIVER: 'memory' })).toBe('memory');
  expect(driver({ QUEUE_DRIVER: 'memory' }, { redis: { url } })).toBe('bullmq');
  expect(driver({ REDIS_URL: url }, { driver: 'memory' })).toBe('memory');
});

test.each([
  [{ QUEUE_DRIVER: 'bullmq' }, 'QUEUE_REDIS_URL'],
  [{ QUEUE_DRIVER: 'bulmq', REDIS_URL: 'redis://h' }, 'QUEUE_DRIVER'],
  [{ QUEUE_REDIS_URL: 'http://user:secret@h' }, 'QUEUE_REDIS_URL'],
  [{ REDIS_URL: 'http://user:secret@h' }, 'REDIS_URL'],
  [{ REDIS_URL: 'redis://h', QUEUE_PREFIX: 'a{b}' }, 'QUEUE_PREFIX'],
])('a variable that is wrong or missing is one error that names it: %o', (env, variable) => {
  const make = () => createQueue({ env });
  expect(make).toThrow(expect.objectContaining({ code: 'E_CONFIG' }));
  expect(make).toThrow(variable);
  expect(make).not.toThrow('secret');
});

test('an address that is none is refused when the queue is made, under the name of its variable', () => {
  const message = expect.not.stringContaining('secret');
  expect(() => createQueue({ env: { REDIS_URL: 'redis://:secret@h/notadb' } })).toThrow(
    expect.objectContaining({
      code: 'E_CONFIG',
      problems: [expect.objectContaining({ variable: 'REDIS_URL' })],
      message,
    }),
  );
});

test('options that make no sense are refused', () => {
  const redis = { url: 'redis://h' };
  for (const options of [{ prefix: 'a:b' }, { timeout: 0 }, { driver: 'redis' as never }])
    expect(() => createQueue({ env: {}, redis, ...options })).toThrow(
      expect.objectContaining({ code: 'E_QUEUE_OPTION' }),
    );
});
