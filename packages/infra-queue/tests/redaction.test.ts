import { subscribeOperation } from '@vibeonrails/infra-core';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, type Job } from '../src/index.ts';
import { bench } from './bench.ts';

const schema = z.object({
  to: z.string(),
  user: z.object({ pin: z.number(), name: z.string() }),
  cards: z.array(z.object({ number: z.string(), kind: z.string() })),
});
const payload = {
  to: 'ada@example.com',
  user: { pin: 987654, name: 'Ada' },
  cards: [{ number: '4242-4242', kind: 'visa' }],
};
const define = (fail: () => Error): Job<typeof schema> =>
  defineJob({
    name: 'pay',
    schema,
    handler: () => {
      throw fail();
    },
    options: { retries: 1, redact: ['to', 'user.pin', 'cards.number', 'missing.field'] },
  });

test('redacted fields are out of job lists, logs, telemetry and kept failures', async () => {
  const { queue, clock, lines } = bench();
  const told: unknown[] = [];
  const end = subscribeOperation('queue.process', { end: ({ error }) => void told.push(error) });
  const job = define(
    () =>
      new TypeError('ada@example.com was refused (987654)', {
        cause: new Error('card 4242-4242 of Ada'),
      }),
  );
  const { id } = await queue.enqueue(job, payload);
  expect((await queue.job(id))?.payload).toEqual({
    to: '[redacted]',
    user: { pin: '[redacted]', name: 'Ada' },
    cards: [{ number: '[redacted]', kind: 'visa' }],
  });
  await queue.startWorker();
  await clock.advance('1h');
  end();
  const [dead] = await queue.dead();
  expect(dead?.failure).toMatchObject({ name: 'TypeError', message: '[redacted] was refused ([redacted])' });
  const errors = [...told, ...lines.map(({ err }) => err)].filter((error) => error instanceof Error);
  expect(errors.length).toBeGreaterThanOrEqual(4);
  const text =
    JSON.stringify(dead) + errors.map((e) => `${e.message} ${e.stack} ${String(e.cause)}`).join(' ');
  for (const secret of ['ada@example.com', '987654', '4242-4242']) expect(text).not.toContain(secret);
  expect(text).toContain('of Ada');
});

test('the handler and onDead get the payload as it is', async () => {
  const { queue, clock } = bench();
  const seen: unknown[] = [];
  const job = defineJob({
    name: 'pay',
    schema,
    handler: (given) => {
      seen.push(given);
      throw new Error('x');
    },
    options: { retries: 0, redact: ['to'], onDead: (_error, given) => seen.push(given) },
  });
  await queue.enqueue(job, payload);
  await queue.startWorker();
  await clock.advance('1m');
  expect(seen).toEqual([payload, payload]);
});

test('an error that cannot be changed fails the job all the same', async () => {
  const { queue, clock } = bench();
  const job = define(() => Object.freeze(new Error('ada@example.com')));
  await queue.enqueue(job, payload);
  await queue.startWorker();
  await clock.advance('1h');
  expect((await queue.stats()).dead).toBe(1);
});

test('values of a few letters are left in texts', async () => {
  const { queue, clock } = bench();
  const job = define(() => new Error('a bad bat'));
  await queue.enqueue(job, { ...payload, to: 'ba' });
  await queue.startWorker();
  await clock.advance('1h');
  expect((await queue.dead())[0]?.failure?.message).toBe('a bad bat');
});
