import { currentContext, runWithContext } from '@vibeonrails/infra-core';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, type Job, type JobOptions, runChain } from '../src/index.ts';
import { fakeQueue } from '../src/testing.ts';
import { bench, collectingLogger, gate } from './bench.ts';

const seen: string[] = [];
const define = (
  name: string,
  handler: (text: string, ctx: { attempt: number; discard(reason: string): never }) => unknown = () =>
    undefined,
  options: JobOptions<string> = {},
): Job<z.ZodString> =>
  defineJob({
    name,
    schema: z.string().min(1),
    handler: async (text, ctx) => {
      seen.push(`${name} ${text} ${ctx.attempt}`);
      await handler(text, ctx);
    },
    options,
  });

test('the steps of a chain run in order, each after the one before it is done, on their own queues', async () => {
  const { queue, clock } = bench();
  seen.length = 0;
  const flaky = ({ attempt }: { attempt: number }): void => {
    if (attempt === 1) throw new Error('once');
  };
  const a = define('a', (_text, ctx) => flaky(ctx));
  const b = define('b', undefined, { queue: 'other', unique: 'one' });
  const c = define('c');
  await queue.enqueue(b, 'holds the key', { delay: '1h' });
  const chain = await queue.runChain(
    [
      [a, '1'],
      [b, '2'],
      [c, '3'],
    ],
    { id: 'order-42' },
  );
  expect(chain).toEqual({ ids: ['order-42.1', 'order-42.2', 'order-42.3'], status: 'enqueued' });
  expect(await queue.job('order-42.2')).toBeUndefined();
  await queue.startWorker();
  for (let i = 0; i < 5; i += 1) await clock.advance('1m');
  expect(seen).toEqual(['a 1 1', 'a 1 2', 'b 2 1', 'c 3 1']);
  expect(
    await queue.runChain(
      [
        [a, '1'],
        [b, '2'],
        [c, '3'],
      ],
      { id: 'order-42' },
    ),
  ).toMatchObject({
    status: 'duplicate',
  });
});

test.each([
  ['discarded', (_text: string, ctx: { discard(reason: string): never }) => ctx.discard('no need')],
  [
    'dead',
    () => {
      throw new Error('x');
    },
  ],
])('a chain ends with a step that is %s', async (_how, handler) => {
  const { queue, clock } = bench();
  seen.length = 0;
  const a = define('a', handler, { retries: 0 });
  const b = define('b');
  await queue.runChain([
    [a, '1'],
    [b, '2'],
  ]);
  await queue.startWorker();
  await clock.advance('1m');
  expect(seen).toEqual(['a 1 1']);
});

test('a chain ends with a step that is cancelled while it runs, also when that finishes all the same', async () => {
  const { queue, clock } = bench();
  seen.length = 0;
  const end = gate();
  const chain = await queue.runChain([
    [define('a', () => end.opened), '1'],
    [define('b'), '2'],
  ]);
  await queue.startWorker();
  await expect.poll(() => seen).toEqual(['a 1 1']);
  expect(await queue.cancelJob(chain.ids[0] ?? '')).toBe('signalled');
  end.open();
  await expect.poll(async () => (await queue.stats()).completed).toBe(1);
  await clock.advance('1m');
  expect(seen).toEqual(['a 1 1']);
  expect(await queue.job(chain.ids[1] ?? '')).toBeUndefined();
});

test('a dead step that is retried goes on with its chain', async () => {
  const { queue, clock } = bench();
  seen.length = 0;
  const a = define(
    'a',
    () => {
      if (seen.length === 1) throw new Error('x');
    },
    { retries: 0 },
  );
  await queue.runChain([
    [a, '1'],
    [define('b'), '2'],
  ]);
  await queue.startWorker();
  await clock.advance('1m');
  await queue.retryDead();
  await clock.advance('1m');
  await clock.advance('1m');
  expect(seen).toEqual(['a 1 1', 'a 1 1', 'b 2 1']);
});

test('nothing is stored when any payload is refused, or there is none', async () => {
  const { queue } = bench();
  await expect(
    queue.runChain([
      [define('a'), '1'],
      [define('b'), ''],
    ]),
  ).rejects.toMatchObject({
    code: 'E_QUEUE_PAYLOAD',
  });
  await expect(queue.runChain([])).rejects.toMatchObject({ code: 'E_QUEUE_OPTION' });
  expect((await queue.stats()).waiting).toBe(0);
});

test('every step runs in the context the chain was enqueued in', async () => {
  const { queue, clock } = bench();
  const ids: unknown[] = [];
  const note = (): unknown => ids.push(currentContext().requestId);
  await runWithContext({ requestId: 'req-1' }, () =>
    queue.runChain([
      [define('a', note), '1'],
      [define('b', note), '2'],
    ]),
  );
  await queue.startWorker();
  for (let i = 0; i < 3; i += 1) await clock.advance('1m');
  expect(ids).toEqual(['req-1', 'req-1']);
});

test('a fake runs chains, and knows their steps', async () => {
  using fake = fakeQueue({ logger: collectingLogger([]) });
  seen.length = 0;
  const a = define('a');
  const b = define('b');
  await runChain([
    [a, '1'],
    [b, '2'],
  ]);
  fake.assertEnqueued(b, '2' as never);
  expect(await fake.drain()).toMatchObject({ done: 2 });
  expect(seen).toEqual(['a 1 1', 'b 2 1']);
});

test('the payload of each step is typed by its job', () => {
  const { queue } = bench();
  const count = defineJob({ name: 'count', schema: z.number(), handler: () => undefined });
  const first = [define('a'), 'x'] as const;
  // @ts-expect-error the second step takes a number
  const wrong = () => queue.runChain([first, [count, 'x']]);
  expect(wrong).toBeTypeOf('function');
});
