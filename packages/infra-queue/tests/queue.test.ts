import { resetInfra } from '@vibeonrails/infra-core/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import {
  cancelJob,
  configureQueue,
  createQueue,
  crons,
  defineCron,
  defineJob,
  enqueue,
  enqueueMany,
  type Job,
  queue,
  queueHealthCheck,
  startWorker,
} from '../src/index.ts';
import { bench, collectingLogger, type Line } from './bench.ts';

beforeEach(() => resetInfra());
afterEach(() => queue.close().catch(() => undefined));

const define = (handler: (text: string) => unknown = () => undefined): Job<z.ZodString> =>
  defineJob({ name: 'task', schema: z.string(), handler });

test('in production a queue with no driver chosen is refused, at every first use', async () => {
  process.env.NODE_ENV = 'production';
  try {
    expect(() => createQueue()).toThrow(expect.objectContaining({ code: 'E_QUEUE_DRIVER_REQUIRED' }));
    const refused = {
      code: 'E_QUEUE_DRIVER_REQUIRED',
      message: expect.stringContaining('QUEUE_DRIVER=memory'),
    };
    await expect(enqueue(define(), 'x')).rejects.toMatchObject(refused);
    await expect(startWorker()).rejects.toMatchObject(refused);
    await expect(queue.ready()).rejects.toMatchObject(refused);
  } finally {
    process.env.NODE_ENV = 'test';
  }
});

test('in production memory works when it is meant', async () => {
  for (const options of [
    { env: { NODE_ENV: 'production', QUEUE_DRIVER: 'memory' } },
    { driver: 'memory' as const, env: { NODE_ENV: 'production' } },
  ]) {
    const made = createQueue(options);
    await made.ready();
    expect(made.driver).toBe('memory');
    await made.close();
  }
});

test('a misspelled driver is an error', () => {
  expect(() => createQueue({ env: { QUEUE_DRIVER: 'memroy' } })).toThrow(
    expect.objectContaining({ code: 'E_CONFIG' }),
  );
  expect(() => createQueue({ driver: 'redis' as never, env: {} })).toThrow(
    expect.objectContaining({ code: 'E_QUEUE_OPTION' }),
  );
});

test.each([[{ count: -1, age: '1d' as const }], [{ count: 1, age: 'x' as never }]])(
  'keeping %o is refused',
  (dead) => {
    expect(() => createQueue({ keep: { dead }, env: {} })).toThrow(/keep\.dead\.count|not a duration/);
  },
);

test('the functions of the module work on the default queue', async () => {
  const ran: string[] = [];
  const job = define((text) => ran.push(text));
  defineCron({ name: 'nightly', schedule: '@daily', handler: () => undefined });
  await enqueue(job, 'a');
  await enqueueMany(job, ['b', 'c']);
  const { id } = await enqueue(job, 'never', { delay: '1h' });
  expect(await cancelJob(id)).toBe('removed');
  const worker = await startWorker();
  await worker.idle();
  expect(ran).toEqual(['a', 'b', 'c']);
  expect(await queue.stats()).toMatchObject({ completed: 3 });
  expect(await crons()).toMatchObject([{ name: 'nightly', scheduled: true }]);
  expect(await queueHealthCheck()({ signal: AbortSignal.timeout(1000) })).toEqual({
    status: 'ok',
    data: {
      driver: 'memory',
      waiting: 0,
      active: 0,
      delayed: 0,
      completed: 3,
      dead: 0,
      oldest: 0,
      throughput: 3,
    },
  });
});

test('the default object forwards every call of a queue', async () => {
  const { queue: own } = bench();
  expect(Object.keys(queue).sort()).toEqual(Object.keys(own).sort());
  expect(await queue.jobs()).toEqual([]);
  expect(await queue.dead()).toEqual([]);
  expect(await queue.job('x')).toBeUndefined();
  expect(await queue.retryDead()).toBe(0);
  expect(await queue.discardDead({})).toBe(0);
  await queue.pause();
  await queue.resume();
  expect(await queue.crons()).toEqual([]);
  expect(await queue.removeCron('x')).toBe(false);
  expect(await queue.enqueueMany(define(), ['x'])).toMatchObject([{ status: 'enqueued' }]);
  expect((await queue.enqueue(other(), 'x')).status).toBe('enqueued');
  expect(await queue.cancelJob('x')).toBe('unknown');
  await (await queue.startWorker()).stop();
});

const other = (): Job<z.ZodString> =>
  defineJob({ name: 'other', schema: z.string(), handler: () => undefined });

test('the default queue is configured before its first use, and not after', async () => {
  const lines: Line[] = [];
  configureQueue({ logger: collectingLogger(lines) });
  const job = define(() => {
    throw new Error('x');
  });
  await enqueue(job, 'x');
  const worker = await startWorker();
  await worker.idle();
  expect(lines).toMatchObject([{ level: 'warn' }]);
  expect(() => configureQueue({})).toThrow(expect.objectContaining({ code: 'E_QUEUE_CONFIGURED' }));
  configureQueue({ replace: true });
  expect(await queue.jobs()).toEqual([]);
});

test('jobs that wait without any worker are worth one warning, after two seconds', async () => {
  const { queue, clock, lines } = bench();
  const job = define();
  await queue.enqueue(job, 'x');
  await clock.advance('1900ms');
  expect(lines).toEqual([]);
  await clock.advance('200ms');
  expect(lines).toMatchObject([{ level: 'warn', queue: 'default', waiting: 1, module: 'queue' }]);
  expect(lines[0]?.message).toContain('startWorker()');
  await queue.enqueue(job, 'x');
  await clock.advance('1m');
  expect(lines).toHaveLength(1);
});

test('a worker that comes in time keeps the warning away, until it is due', async () => {
  const { queue, clock, lines } = bench();
  const job = define();
  await queue.enqueue(job, 'x');
  await clock.advance('1s');
  const worker = await queue.startWorker();
  await worker.idle();
  await clock.advance('1m');
  await worker.stop();
  expect(lines).toEqual([]);
  await queue.enqueue(job, 'x');
  await clock.advance('3s');
  expect(lines).toHaveLength(1);
});

test('a driver of your own is used as it is, and closed with the queue', async () => {
  const { memoryDriver } = await import('../src/drivers/memory.ts');
  const keep = { count: 10, age: 1e6 };
  const inner = memoryDriver({ keep: { completed: keep, dead: keep } });
  let closed = 0;
  const driver = {
    ...inner,
    name: 'mine',
    close: async () => {
      closed += 1;
    },
  };
  const lines: Line[] = [];
  const own = createQueue({ driver, logger: collectingLogger(lines), env: { NODE_ENV: 'production' } });
  expect(own.driver).toBe('mine');
  await own.enqueue(define(), 'x');
  expect((await inner.stats())[0]).toMatchObject({ waiting: 1 });
  await own.close();
  await own.close();
  expect(closed).toBe(1);
});

test('a driver that fails is felt by enqueue, and told per item by enqueueMany', async () => {
  const { memoryDriver } = await import('../src/drivers/memory.ts');
  const keep = { count: 10, age: 1e6 };
  const inner = memoryDriver({ keep: { completed: keep, dead: keep } });
  const { queue } = bench({ driver: { ...inner, add: async () => Promise.reject(new Error('down')) } });
  await expect(queue.enqueue(define(), 'x')).rejects.toThrow('down');
  const outcomes = await queue.enqueueMany(other(), ['x', 5 as never]);
  expect(outcomes).toMatchObject([
    { status: 'failed', error: { message: 'down' } },
    { status: 'failed', error: { code: 'E_QUEUE_PAYLOAD' } },
  ]);
});

test('a queue that is closed before its first use stays closed', async () => {
  const { queue } = bench();
  await queue.close();
  await expect(queue.ready()).rejects.toMatchObject({ code: 'E_QUEUE_CLOSED' });
  await expect(queue.stats()).rejects.toMatchObject({ code: 'E_QUEUE_CLOSED' });
});
