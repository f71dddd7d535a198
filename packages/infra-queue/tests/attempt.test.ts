import { afterEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import {
  type DeadContext,
  defineJob,
  type Job,
  type JobContext,
  type JobOptions,
  UnrecoverableError,
} from '../src/index.ts';
import { bench, collectingLogger, gate } from './bench.ts';

type Handler = (text: string, ctx: JobContext) => unknown;
const define = (handler: Handler, options: JobOptions<string> = {}): Job<z.ZodString> =>
  defineJob({ name: 'task', schema: z.string(), handler, options });

afterEach(() => vi.restoreAllMocks());

test('a job has retries + 1 attempts, with a growing wait between, and is dead after the last', async () => {
  const { queue, clock, lines } = bench();
  const seen: [number, boolean, number][] = [];
  const start = clock.now();
  const job = define(
    (_text, { attempt, lastAttempt }) => {
      seen.push([attempt, lastAttempt, clock.now() - start]);
      throw new Error(`try ${attempt}`);
    },
    { retries: 2 },
  );
  await queue.enqueue(job, 'x', { id: 'j' });
  await queue.startWorker();
  await clock.advance('1h');
  expect(seen).toEqual([
    [1, false, 0],
    [2, false, 1000],
    [3, true, 3000],
  ]);
  expect(await queue.dead()).toMatchObject([
    { id: 'j', payload: 'x', attemptsMade: 3, failure: { name: 'Error', message: 'try 3' } },
  ]);
  expect(lines.map(({ level, message }) => [level, message])).toEqual([
    ['warn', 'the job failed and is tried again in 1000 ms'],
    ['warn', 'the job failed and is tried again in 2000 ms'],
    ['error', 'the job is dead'],
  ]);
  expect(lines[2]).toMatchObject({ module: 'queue', job: 'task', job_id: 'j', attempt: 3 });
});

test('a job without retries runs once', async () => {
  const { queue, clock } = bench();
  let ran = 0;
  await queue.enqueue(
    define(
      () => {
        ran += 1;
        throw 'a text';
      },
      { retries: 0 },
    ),
    'x',
  );
  await queue.startWorker();
  await clock.advance('1h');
  expect(ran).toBe(1);
  expect((await queue.dead())[0]?.failure?.message).toBe('a text');
});

test('a backoff function that fails gives way to the default', async () => {
  const { queue, clock, lines } = bench();
  const times: number[] = [];
  const job = define(
    () => {
      times.push(clock.now());
      if (times.length < 3) throw new Error('x');
    },
    {
      backoff: (attempt) => {
        if (attempt === 1) throw new Error('bug');
        return 'soon' as never;
      },
    },
  );
  await queue.enqueue(job, 'x');
  await queue.startWorker();
  await clock.advance('1h');
  expect(times.map((time) => time - (times[0] ?? 0))).toEqual([0, 1000, 3000]);
  expect(lines.filter(({ message }) => /backoff function failed/.test(message))).toHaveLength(2);
});

test('an unrecoverable error leaves the job dead at once', async () => {
  const { queue, clock } = bench();
  const job = define(() => {
    throw new UnrecoverableError('no such user', { cause: new Error('404') });
  });
  await queue.enqueue(job, 'x');
  await queue.startWorker();
  await clock.advance(0);
  expect((await queue.dead())[0]).toMatchObject({
    attemptsMade: 1,
    failure: { message: 'no such user', code: 'E_QUEUE_UNRECOVERABLE' },
  });
});

test('a payload the schema refuses at run time is dead at once, with what is wrong', async () => {
  const { queue, clock } = bench();
  const ran: unknown[] = [];
  const dead: unknown[] = [];
  const define = (schema: z.ZodType<unknown, { id: string }>): Job<z.ZodType<unknown, { id: string }>> =>
    defineJob({
      name: 'task',
      schema,
      handler: (payload) => ran.push(payload),
      options: { onDead: (error, payload) => dead.push([(error as { code?: string }).code, payload]) },
      replace: true,
    });
  await queue.enqueue(define(z.object({ id: z.string() })), { id: 'a' });
  define(z.object({ id: z.string().uuid(), locale: z.string() }));
  await queue.startWorker();
  await clock.advance('1h');
  expect(ran).toEqual([]);
  expect(dead).toEqual([['E_QUEUE_PAYLOAD', { id: 'a' }]]);
  const [job] = await queue.dead();
  expect(job).toMatchObject({ attemptsMade: 1, failure: { code: 'E_QUEUE_PAYLOAD' } });
  expect(job?.failure?.issues?.map(({ path }) => path)).toEqual(['id', 'locale']);
});

test('a timeout aborts the signal, keeps the slot until the handler settles, and counts as a failure', async () => {
  const { queue, clock, lines } = bench();
  const settle = gate();
  const deadlines: unknown[] = [];
  const start = clock.now();
  const job = define(
    async (text, { signal, deadline }) => {
      if (text === 'second') return;
      deadlines.push(deadline);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      await settle.opened;
      throw new Error('gave up');
    },
    { timeout: '5s', retries: 0 },
  );
  await queue.enqueue(job, 'first', { id: 'first' });
  await queue.enqueue(job, 'second', { id: 'second' });
  await queue.startWorker({ concurrency: 1 });
  await clock.advance('20s');
  expect(deadlines).toEqual([new Date(start + 5000)]);
  expect(await queue.job('first')).toMatchObject({ state: 'active' });
  expect(await queue.job('second')).toMatchObject({ state: 'waiting' });
  expect(lines).toMatchObject([{ level: 'warn', timeout: 5000 }]);
  settle.open();
  await clock.advance(0);
  expect(await queue.job('first')).toMatchObject({ state: 'dead', failure: { code: 'E_QUEUE_TIMEOUT' } });
  expect(await queue.job('second')).toMatchObject({ state: 'completed' });
  expect(lines.at(-1)).toMatchObject({ err: { cause: new Error('gave up') } });
});

test('work that finished after its timeout is done all the same', async () => {
  const { queue, clock } = bench();
  const settle = gate();
  await queue.enqueue(
    define(() => settle.opened, { timeout: 10 }),
    'x',
    { id: 'j' },
  );
  await queue.startWorker();
  await clock.advance(20);
  settle.open();
  await clock.advance(0);
  expect(await queue.job('j')).toMatchObject({ state: 'completed' });
});

test('a timeout does not strike after the handler is done', async () => {
  const { queue, clock, lines } = bench();
  let signal: AbortSignal | undefined;
  await queue.enqueue(
    define(
      (_text, ctx) => {
        signal = ctx.signal;
      },
      { timeout: 10 },
    ),
    'x',
  );
  await queue.startWorker();
  await clock.advance('1s');
  expect(signal?.aborted).toBe(false);
  expect(lines).toEqual([]);
});

test('a snoozed job runs again later, at no cost of attempts', async () => {
  const { queue, clock } = bench();
  const seen: [number, number][] = [];
  const start = clock.now();
  const job = define(
    (_text, ctx) => {
      seen.push([ctx.attempt, clock.now() - start]);
      if (seen.length < 4) ctx.snooze('5m');
    },
    { retries: 0 },
  );
  await queue.enqueue(job, 'x', { id: 'j' });
  await queue.startWorker();
  await clock.advance('1h');
  expect(seen).toEqual([0, 1, 2, 3].map((n) => [1, n * 300_000]));
  expect(await queue.job('j')).toMatchObject({ state: 'completed', attemptsMade: 1 });
});

test('a discarded job is over, with its reason, also when the handler catches what it threw', async () => {
  const { queue, clock, lines } = bench();
  const job = define((text, ctx) => {
    if (text === 'plain') ctx.discard('user left');
    try {
      ctx.discard('caught');
    } catch {
      return 'fine';
    }
  });
  await queue.enqueue(job, 'plain', { id: 'plain' });
  await queue.enqueue(job, 'caught', { id: 'caught' });
  await queue.startWorker();
  await clock.advance(0);
  expect(await queue.job('plain')).toMatchObject({ state: 'completed', discarded: 'user left' });
  expect(await queue.job('caught')).toMatchObject({ state: 'completed', discarded: 'caught' });
  expect(lines).toEqual([]);
});

test('progress is seen while the job runs, kept between 0 and 100', async () => {
  const { queue, clock } = bench();
  const next = gate();
  const job = define(async (_text, { progress }) => {
    await progress(40.5);
    await next.opened;
    await progress(400);
  });
  await queue.enqueue(job, 'x', { id: 'j' });
  await queue.startWorker();
  await clock.advance(0);
  expect(await queue.job('j')).toMatchObject({ state: 'active', progress: 40.5 });
  next.open();
  await clock.advance(0);
  expect(await queue.job('j')).toMatchObject({ state: 'completed', progress: 100 });
});

test('onDead is told of the error, the payload and the job; what it throws is logged and changes nothing', async () => {
  const { queue, clock, lines } = bench();
  const told: [string, string, Omit<DeadContext, 'log'>][] = [];
  const job = define(
    () => {
      throw new Error('x');
    },
    {
      retries: 1,
      onDead(error, payload, { log: _, ...rest }) {
        told.push([error.message, payload, rest]);
        throw new Error('bug');
      },
    },
  );
  await queue.enqueue(job, 'p', { id: 'j' });
  await queue.startWorker();
  await clock.advance('1h');
  expect(told).toEqual([['x', 'p', { id: 'j', name: 'task', queue: 'default', attempt: 2 }]]);
  expect(await queue.job('j')).toMatchObject({ state: 'dead', failure: { message: 'x' } });
  expect(lines.at(-1)).toMatchObject({ level: 'error', message: "the job's onDead failed" });
});

test('a cancelled job that gives up is over, not failed', async () => {
  const { queue, clock, lines } = bench();
  const job = define(
    (_text, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('x')))),
  );
  await queue.enqueue(job, 'x', { id: 'j' });
  await queue.startWorker();
  await clock.advance(0);
  expect(await queue.cancelJob('j')).toBe('signalled');
  await clock.advance(0);
  expect(await queue.job('j')).toMatchObject({ state: 'completed', discarded: 'cancelled' });
  expect(lines).toEqual([]);
});

test('a cancelled job is over also when it had timed out, and one that timed out before the worker stopped has failed', async () => {
  const { queue, clock } = bench();
  const settle = gate();
  const job = define(
    async () => {
      await settle.opened;
      throw new Error('gave up');
    },
    { timeout: '5s' },
  );
  await queue.enqueue(job, 'x', { id: 'cancelled' });
  await queue.enqueue(job, 'x', { id: 'timed-out' });
  const worker = await queue.startWorker({ grace: '1s' });
  await clock.advance('6s');
  expect(await queue.cancelJob('cancelled')).toBe('signalled');
  const stopping = worker.stop();
  await clock.advance('1500ms');
  settle.open();
  await stopping;
  expect(await queue.job('cancelled')).toMatchObject({ state: 'completed', discarded: 'cancelled' });
  expect(await queue.job('timed-out')).toMatchObject({
    state: 'delayed',
    failure: { code: 'E_QUEUE_TIMEOUT' },
  });
});

test('a cancelled job that waits never runs', async () => {
  const { queue } = bench();
  const ran: string[] = [];
  const job = define((text) => ran.push(text));
  await queue.enqueue(job, 'x', { id: 'j', delay: '1h' });
  expect(await queue.cancelJob('j')).toBe('removed');
  expect(await queue.cancelJob('j')).toBe('unknown');
  expect(await queue.job('j')).toBeUndefined();
});

test('what is kept of an error is bounded', async () => {
  const { queue, clock } = bench();
  const job = define(
    () => {
      throw new Error('long '.repeat(100_000));
    },
    { retries: 0 },
  );
  await queue.enqueue(job, 'x');
  await queue.startWorker();
  await clock.advance(0);
  expect(JSON.stringify((await queue.dead())[0]?.failure).length).toBeLessThan(13_000);
});

test.each<[string, () => unknown, string]>([
  ['an object without a prototype', () => Object.assign(Object.create(null), { code: 'X' }), '{"code":"X"}'],
  [
    'an object whose toString throws',
    () => ({
      toString: () => {
        throw new Error('no');
      },
    }),
    '{}',
  ],
  ['a symbol', () => Symbol('why'), 'Symbol(why)'],
  ['nothing', () => undefined, 'undefined'],
  [
    'an error whose message is an object',
    () => Object.assign(new Error('x'), { message: { why: 1 } }),
    '{"why":1}',
  ],
  ['an error whose stack is a number', () => Object.assign(new Error('x'), { stack: 7 }), 'x'],
  ['an error whose name is a symbol', () => Object.assign(new Error('x'), { name: Symbol('n') }), 'x'],
  [
    'an error whose message cannot be read',
    () =>
      Object.defineProperty(new Error('x'), 'message', {
        get: () => {
          throw new Error('no');
        },
      }),
    'null',
  ],
])('%s that is thrown fails the attempt, and no more than that', async (_what, thrown, message) => {
  const { queue, clock } = bench();
  const job = define(
    () => {
      throw thrown();
    },
    { retries: 1, onDead: () => undefined },
  );
  await queue.enqueue(job, 'x', { id: 'j' });
  const worker = await queue.startWorker();
  await clock.advance('1m');
  expect(await queue.dead()).toMatchObject([{ attemptsMade: 2, failure: { message } }]);
  await worker.stop();
});

test('an attempt whose end a logger does not take fails like any other', async () => {
  const logger = { ...collectingLogger([]), child: () => logger };
  const { queue, clock } = bench({ logger });
  const job = define(
    () => {
      throw new Error('down');
    },
    { retries: 1 },
  );
  await queue.enqueue(job, 'x', { id: 'j' });
  const worker = await queue.startWorker();
  for (const level of ['warn', 'error'] as const)
    logger[level] = () => {
      throw new Error('the disk is full');
    };
  await clock.advance('1m');
  expect(await queue.dead()).toMatchObject([{ attemptsMade: 2, failure: { message: 'the disk is full' } }]);
  await worker.stop();
});

test('the retries of the code that runs decide, not those of the code that enqueued', async () => {
  const { queue, clock } = bench();
  let ran = 0;
  const handler = (): never => {
    ran += 1;
    throw new Error('x');
  };
  await queue.enqueue(define(handler, { retries: 0 }), 'x');
  defineJob({ name: 'task', schema: z.string(), handler, options: { retries: 4 }, replace: true });
  await queue.startWorker();
  await clock.advance('1h');
  expect(ran).toBe(5);
});

test('a step under ctx.once runs once over all attempts, and later ones get its result', async () => {
  const { queue, clock } = bench();
  const seen: unknown[] = [];
  let charged = 0;
  const job = define(async (_text, { attempt, once }) => {
    const receipt = await once('charge', async () => ({ receipt: ++charged }));
    const nothing = await once('nothing', () => undefined);
    seen.push([attempt, receipt, nothing]);
    if (attempt < 3) throw new Error('later');
  });
  await queue.enqueue(job, 'a');
  await queue.enqueue(job, 'b', { delay: '1h' });
  await queue.startWorker();
  await clock.advance('30m');
  const receipt = { receipt: 1 };
  expect(seen).toEqual([
    [1, receipt, undefined],
    [2, receipt, undefined],
    [3, receipt, undefined],
  ]);
  await clock.advance('2h');
  expect(charged).toBe(2);
});

test('a step under ctx.once gives the first attempt what JSON makes of its result, as later ones', async () => {
  const { queue, clock } = bench();
  const seen: unknown[] = [];
  const job = define(async (_text, { attempt, once }) => {
    seen.push(await once('at', () => ({ at: new Date(0) })));
    if (attempt < 2) throw new Error('later');
  });
  await queue.enqueue(job, 'a');
  await queue.startWorker();
  await clock.advance('1h');
  const copy = { at: '1970-01-01T00:00:00.000Z' };
  expect(seen).toEqual([copy, copy]);
});

test('a step under ctx.once whose result JSON cannot carry is done, and its job dead at once', async () => {
  const { queue, clock } = bench();
  let charged = 0;
  const job = define(async (_text, { once }) => {
    await once('charge', () => {
      charged += 1;
      return { amount: 5n };
    });
  });
  await queue.enqueue(job, 'a');
  await queue.startWorker();
  await clock.advance('1h');
  expect((await queue.dead())[0]).toMatchObject({
    attemptsMade: 1,
    failure: { code: 'E_QUEUE_STEP_RESULT', message: expect.stringContaining('"charge"') },
  });
  await queue.retryDead();
  await clock.advance('1h');
  expect(charged).toBe(1);
});

test('a step under ctx.once that fails is run again by the next attempt', async () => {
  const { queue, clock } = bench();
  let tried = 0;
  const job = define(async (_text, { once }) => {
    await once('step', () => {
      tried += 1;
      if (tried === 1) throw new Error('x');
    });
  });
  await queue.enqueue(job, 'a');
  await queue.startWorker();
  await clock.advance('1h');
  expect(tried).toBe(2);
  expect((await queue.stats()).completed).toBe(1);
});
