import { AsyncLocalStorage } from 'node:async_hooks';
import {
  currentContext,
  type InfraContext,
  runWithContext,
  subscribeOperation,
} from '@vibeonrails/infra-core';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineCron, defineJob } from '../src/index.ts';
import { bench } from './bench.ts';

const context: InfraContext = {
  trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true, state: 'x=1' },
  requestId: 'req-1',
  baggage: { tenant: 'acme' },
};

test('a job runs in the context it was enqueued in, also after a retry', async () => {
  const { queue, clock } = bench();
  const seen: InfraContext[] = [];
  const job = defineJob({
    name: 'task',
    schema: z.string(),
    handler: async () => {
      await Promise.resolve();
      seen.push(currentContext());
      if (seen.length === 1) throw new Error('x');
    },
  });
  await runWithContext(context, () => queue.enqueue(job, 'x'));
  await queue.startWorker();
  await clock.advance('2s');
  expect(seen).toEqual([context, context]);
});

test('what a handler enqueues continues its context', async () => {
  const { queue } = bench();
  const seen: InfraContext[] = [];
  const child = defineJob({ name: 'child', schema: z.string(), handler: () => seen.push(currentContext()) });
  const parent = defineJob({ name: 'parent', schema: z.string(), handler: () => queue.enqueue(child, 'x') });
  await runWithContext(context, () => queue.enqueue(parent, 'x'));
  await (await queue.startWorker()).idle();
  expect(seen).toEqual([context]);
});

test('a job takes nothing else along: not the request of its enqueuer, not the job before it', async () => {
  const { queue } = bench();
  const request = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const job = defineJob({
    name: 'task',
    schema: z.string(),
    handler: () => seen.push([currentContext(), request.getStore()]),
  });
  // A worker started inside a request, and jobs added from others: what runs belongs to none of them.
  const worker = await runWithContext(context, () => queue.startWorker({ concurrency: 1 }));
  for (const [name, context] of [
    ['one', { requestId: 'r1' }],
    ['two', {}],
  ] as const) {
    await worker.idle();
    await new Promise((resolve) => setImmediate(resolve));
    await request.run(name, () => runWithContext(context, () => queue.enqueue(job, 'x')));
  }
  await worker.idle();
  expect(seen).toEqual([
    [{ requestId: 'r1' }, undefined],
    [{}, undefined],
  ]);
});

test('a cron runs in a context of its own', async () => {
  const { queue, clock } = bench();
  const seen: InfraContext[] = [];
  defineCron({ name: 'c', schedule: '* * * * *', handler: () => seen.push(currentContext()) });
  await runWithContext(context, () => queue.startWorker());
  await runWithContext(context, () => clock.advance('1m'));
  expect(seen).toEqual([{}]);
});

test('enqueue and process are operations; process starts inside the restored context, and sees failures', async () => {
  const { queue, clock } = bench();
  const events: unknown[] = [];
  const stop = (['queue.enqueue', 'queue.process'] as const).map((name) =>
    subscribeOperation(name, {
      start: ({ job, queue: on, driver, ...rest }) =>
        events.push([name, { job, on, driver, ...rest }, currentContext().requestId]),
      end: ({ error }) => events.push([name, 'end', (error as Error | undefined)?.message]),
    }),
  );
  const job = defineJob({
    name: 'task',
    schema: z.string(),
    handler: (text, ctx) => {
      if (text === 'snooze') ctx.snooze('1d');
      throw new Error('x');
    },
    options: { retries: 0 },
  });
  await runWithContext(context, () => queue.enqueue(job, 'x', { id: 'j' }));
  await queue.enqueue(job, 'snooze', { id: 's' });
  await queue.startWorker({ concurrency: 1 });
  await clock.advance(0);
  for (const end of stop) end();
  const what = { job: 'task', on: 'default', driver: 'memory' };
  expect(events).toEqual([
    ['queue.enqueue', what, 'req-1'],
    ['queue.enqueue', 'end', undefined],
    ['queue.enqueue', what, undefined],
    ['queue.enqueue', 'end', undefined],
    ['queue.process', { ...what, id: 'j', attempt: 1 }, 'req-1'],
    ['queue.process', 'end', 'x'],
    ['queue.process', { ...what, id: 's', attempt: 1 }, undefined],
    ['queue.process', 'end', undefined],
  ]);
});
