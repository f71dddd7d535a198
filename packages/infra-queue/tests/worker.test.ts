import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { shutdown, systemClock } from '@vibeonrails/infra-core';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { memoryDriver } from '../src/drivers/memory.ts';
import { defineCron, defineJob, type Job, type JobOptions } from '../src/index.ts';
import { bench, gate } from './bench.ts';

type Handler = Parameters<typeof defineJob<z.ZodString>>[0]['handler'];
const define = (name: string, handler: Handler, options: JobOptions<string> = {}): Job<z.ZodString> =>
  defineJob({ name, schema: z.string(), handler, options });

test('a worker runs at most its concurrency at once, on each queue', async () => {
  const { queue } = bench();
  const now: Record<string, number> = {};
  const most: Record<string, number> = {};
  const handler: Handler = async (_text, { queue: name }) => {
    now[name] = (now[name] ?? 0) + 1;
    most[name] = Math.max(most[name] ?? 0, now[name]);
    await new Promise((resolve) => setImmediate(resolve));
    now[name] -= 1;
  };
  const a = define('a', handler);
  const b = define('b', handler, { queue: 'second' });
  await queue.enqueueMany(a, Array(9).fill('x'));
  await queue.enqueueMany(b, Array(9).fill('x'));
  const worker = await queue.startWorker({ concurrency: 2 });
  await worker.idle();
  expect(most).toEqual({ default: 2, second: 2 });
});

test('queues can be named with slots of their own, and others are left alone', async () => {
  const { queue } = bench();
  const stay = gate();
  const a = define('a', () => stay.opened, { queue: 'critical' });
  const b = define('b', () => stay.opened, { queue: 'low' });
  const c = define('c', () => stay.opened);
  for (const job of [a, b, c]) await queue.enqueueMany(job, Array(9).fill('x'));
  const worker = await queue.startWorker({ queues: { critical: 4, low: 1 } });
  await expect.poll(() => worker.running).toBe(5);
  const { queues } = await queue.stats();
  expect([queues.critical?.active, queues.low?.active, queues.default?.active]).toEqual([4, 1, 0]);
  stay.open();
});

test('a list of queues is served with the concurrency', async () => {
  const { queue } = bench();
  const stay = gate();
  await queue.enqueueMany(
    define('a', () => stay.opened, { queue: 'one' }),
    Array(9).fill('x'),
  );
  const worker = await queue.startWorker({ queues: ['one'], concurrency: 3 });
  await expect.poll(() => worker.running).toBe(3);
  stay.open();
});

test('a job that is defined after the worker started is served too', async () => {
  const { queue } = bench();
  const worker = await queue.startWorker();
  const ran: string[] = [];
  await queue.enqueue(
    define('late', (text) => ran.push(text), { queue: 'late' }),
    'x',
  );
  await worker.idle();
  expect(ran).toEqual(['x']);
});

test.each([
  [{ concurrency: 0 }, /concurrency/],
  [{ concurrency: 1.5 }, /concurrency/],
  [{ grace: 'long' as never }, /grace/],
  [{ queues: ['a:b'] }, /queues/],
  [{ queues: { a: 0 } }, /queues\.a/],
  [{ queues: ['cron'] }, /crons/],
])('a worker of %o is refused', async (options, words) => {
  const { queue } = bench();
  const error = await queue.startWorker(options).catch((thrown) => thrown);
  expect(error).toMatchObject({ code: 'E_QUEUE_OPTION', message: expect.stringMatching(words) });
});

test('a worker whose crons cannot be scheduled does not start, and serves nothing', async () => {
  const keep = { count: 10, age: 1e6 };
  const inner = memoryDriver({ keep: { completed: keep, dead: keep } });
  const { queue } = bench({ driver: { ...inner, schedule: () => Promise.reject(new Error('down')) } });
  defineCron({ name: 'c', schedule: '@daily', handler: () => undefined });
  await queue.enqueue(
    define('a', () => undefined),
    'x',
  );
  await expect(queue.startWorker()).rejects.toThrow('down');
  await new Promise((resolve) => setImmediate(resolve));
  expect(await queue.stats()).toMatchObject({ waiting: 1, completed: 0 });
});

test('stop drains what runs, and takes no more', async () => {
  const { queue } = bench();
  const finish = gate();
  const job = define('a', () => finish.opened);
  await queue.enqueueMany(job, ['1', '2', '3']);
  const worker = await queue.startWorker({ concurrency: 2 });
  await expect.poll(() => worker.running).toBe(2);
  const stopping = worker.stop();
  finish.open();
  expect(await stopping).toEqual({ drained: 2, released: 0, abandoned: 0 });
  expect(await queue.stats()).toMatchObject({ completed: 2, waiting: 1, active: 0 });
  expect(await worker.stop()).toEqual({ drained: 2, released: 0, abandoned: 0 });
});

test('a job that is at its gate when the worker stops goes back without a run', async () => {
  const keep = { count: 10, age: 1e6 };
  const inner = memoryDriver({ keep: { completed: keep, dead: keep } });
  const asked = gate();
  const slow = gate();
  const { queue } = bench({
    driver: {
      ...inner,
      async enter(given, limits) {
        asked.open();
        await slow.opened;
        return inner.enter(given, limits);
      },
    },
  });
  const ran: string[] = [];
  const job = define('a', (text) => ran.push(text), { concurrency: { limit: 1 } });
  const { id } = await queue.enqueue(job, 'x');
  const worker = await queue.startWorker({ grace: 0 });
  await asked.opened;
  const stopping = worker.stop();
  slow.open();
  expect(await stopping).toEqual({ drained: 0, released: 0, abandoned: 0 });
  expect(ran).toEqual([]);
  expect(await queue.job(id)).toMatchObject({ state: 'waiting', attemptsMade: 0 });
  // Its place behind the gate is free again.
  await (await queue.startWorker()).idle();
  expect(ran).toEqual(['x']);
});

test('a handler that fails while the worker drains counts as drained, and its attempt too', async () => {
  const { queue } = bench();
  const finish = gate();
  await queue.enqueue(
    define('a', async () => {
      await finish.opened;
      throw new Error('x');
    }),
    'x',
  );
  const worker = await queue.startWorker();
  await expect.poll(() => worker.running).toBe(1);
  const stopping = worker.stop();
  finish.open();
  expect(await stopping).toMatchObject({ drained: 1 });
  expect((await queue.jobs())[0]).toMatchObject({ state: 'delayed', attemptsMade: 1 });
});

test('after the grace period signals abort, and jobs go back without a counted attempt', async () => {
  const { queue, clock } = bench();
  const reasons: unknown[] = [];
  const heeds = define('heeds', async (_text, { signal }) => {
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  const finishes = define('finishes', async (_text, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    reasons.push(signal.reason);
  });
  const ignores = define('ignores', () => new Promise(() => undefined));
  for (const job of [heeds, finishes, ignores]) await queue.enqueue(job, 'x', { id: job.name });
  const worker = await queue.startWorker({ grace: '5s' });
  await expect.poll(() => worker.running).toBe(3);
  const stopping = worker.stop();
  await clock.advance('4900ms');
  expect(worker.running).toBe(3);
  await clock.advance('200ms');
  expect(worker.running).toBe(1);
  await clock.advance('1s');
  expect(await stopping).toEqual({ drained: 1, released: 1, abandoned: 1 });
  expect(reasons).toEqual([expect.objectContaining({ code: 'E_QUEUE_STOPPING' })]);
  expect(await queue.job('finishes')).toMatchObject({ state: 'completed' });
  for (const id of ['heeds', 'ignores'])
    expect(await queue.job(id)).toMatchObject({ state: 'waiting', attemptsMade: 0 });
});

test('a released job is the first that another worker gets', async () => {
  const { queue, clock } = bench();
  const ran: string[] = [];
  let aborts = true;
  const job = define('a', async (text, { signal }) => {
    ran.push(text);
    if (aborts) await new Promise((_resolve, reject) => signal.addEventListener('abort', reject));
  });
  await queue.enqueueMany(job, ['1', '2']);
  const first = await queue.startWorker({ concurrency: 1, grace: 0 });
  await expect.poll(() => first.running).toBe(1);
  const stopping = first.stop();
  await clock.advance(0);
  await stopping;
  aborts = false;
  const second = await queue.startWorker({ concurrency: 1 });
  await second.idle();
  expect(ran).toEqual(['1', '1', '2']);
});

test('a job nobody here knows goes back, less and less often, and does not fail', async () => {
  const { queue, clock, lines } = bench();
  const driverOnly = define('gone', () => undefined);
  await queue.enqueue(driverOnly, 'x', { id: 'j' });
  const { clearSlot } = await import('@vibeonrails/infra-core');
  clearSlot('queue.registry');
  define('other', () => undefined);
  const worker = await queue.startWorker();
  const offers = (): number => lines.filter(({ message }) => /nothing called "gone"/.test(message)).length;
  await clock.advance(0);
  expect(offers()).toBe(1);
  await clock.advance('1s');
  expect(offers()).toBe(2);
  await clock.advance('1900ms');
  expect(offers()).toBe(2);
  await clock.advance('100ms');
  expect(offers()).toBe(3);
  await clock.advance('1h');
  expect(offers()).toBeGreaterThan(50);
  expect(await queue.job('j')).toMatchObject({ state: 'delayed', attemptsMade: 0 });
  const ran: string[] = [];
  define('gone', (text) => ran.push(text));
  await clock.advance('1m');
  expect(ran).toEqual(['x']);
  await worker.stop();
});

test('a shutdown drains the worker before it closes the queue, and reports what it drained', async () => {
  resetInfra();
  const { queue } = bench();
  const finish = gate();
  await queue.enqueue(
    define('a', async (text) => {
      await finish.opened;
      await queue.enqueue(follow, text);
    }),
    'x',
  );
  const follow = define('follow', () => undefined, { queue: 'other' });
  const worker = await queue.startWorker();
  await expect.poll(() => worker.running).toBe(1);
  const stopping = shutdown('test');
  finish.open();
  const { hooks } = await stopping;
  expect(hooks).toMatchObject([
    {
      name: 'queue worker',
      phase: 'drain',
      status: 'done',
      result: { drained: 1, released: 0, abandoned: 0 },
    },
    { name: 'queue', phase: 'close', status: 'done' },
  ]);
  resetInfra();
});

test('closing the queue stops its workers, and then every call is refused', async () => {
  const { queue } = bench();
  const finish = gate();
  const job = define('a', () => finish.opened);
  await queue.enqueue(job, 'x');
  const worker = await queue.startWorker();
  await expect.poll(() => worker.running).toBe(1);
  const closing = queue.close();
  finish.open();
  await closing;
  expect(worker.running).toBe(0);
  const calls = [
    () => queue.enqueue(job, 'x'),
    () => queue.enqueueMany(job, ['x']),
    () => queue.cancelJob('x'),
    () => queue.startWorker(),
    () => queue.stats(),
    () => queue.jobs(),
    () => queue.dead(),
    () => queue.retryDead(),
    () => queue.discardDead({}),
    () => queue.pause(),
    () => queue.resume(),
    () => queue.crons(),
    () => queue.removeCron('x'),
    () => queue.job('x'),
  ];
  for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'E_QUEUE_CLOSED' });
  await queue.close();
});

test('a worker keeps its process alive until it stops', async () => {
  const code = `
    import { startWorker, defineJob, enqueue } from '@vibeonrails/infra-queue';
    import { z } from 'zod';
    const job = defineJob({ name: 'a', schema: z.string(), handler: async (text) => {
      console.log(text);
      void worker.stop().then((report) => console.log(JSON.stringify(report)));
    } });
    const worker = await startWorker();
    await enqueue(job, 'ran', { delay: 300 });
  `;
  const flags = [
    '--import',
    'tsx',
    '--conditions',
    '@vibeonrails/infra-source',
    '--input-type=module',
    '--eval',
  ];
  const child = spawn(process.execPath, [...flags, code], { cwd: new URL('..', import.meta.url) });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [exit] = await once(child, 'close');
  expect(output).toBe('ran\n{"drained":1,"released":0,"abandoned":0}\n');
  expect(exit).toBe(0);
});

test('a worker that heeds signals shuts the process down in order on SIGTERM', async () => {
  const code = `
    import { startWorker, defineJob, enqueue } from '@vibeonrails/infra-queue';
    import { onShutdown } from '@vibeonrails/infra-core';
    import { z } from 'zod';
    onShutdown('last', () => console.log('closed'), { phase: 'flush' });
    const job = defineJob({ name: 'a', schema: z.string(), handler: async (text) => {
      process.kill(process.pid, 'SIGTERM');
      await new Promise((resolve) => setTimeout(resolve, 100));
      console.log(text);
    } });
    await enqueue(job, 'finished');
    await startWorker({ signals: true });
  `;
  const flags = [
    '--import',
    'tsx',
    '--conditions',
    '@vibeonrails/infra-source',
    '--input-type=module',
    '--eval',
  ];
  const child = spawn(process.execPath, [...flags, code], { cwd: new URL('..', import.meta.url) });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [exit] = await once(child, 'close');
  expect(output).toBe('finished\nclosed\n');
  expect(exit).toBe(0);
});

test('a handler that blocks the event loop is warned of', async () => {
  const { queue, lines } = bench({ clock: systemClock });
  const job = define('block', () => {
    for (const end = performance.now() + 1600; performance.now() < end; );
  });
  await queue.startWorker();
  // So that the watch has begun when the loop is blocked.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await queue.enqueue(job, 'x');
  const said = (): number[] =>
    lines
      .filter(({ message }) => message.startsWith('a handler blocked the event loop'))
      .map(({ late }) => Number(late));
  await expect.poll(said, { timeout: 20_000 }).toHaveLength(1);
  expect(said()[0]).toBeGreaterThanOrEqual(1000);
});
