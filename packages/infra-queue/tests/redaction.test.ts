import { clearSlot, subscribeOperation } from '@vibeonrails/infra-core';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, type Job, type Queue } from '../src/index.ts';
import { bench, type Line } from './bench.ts';

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

/** Everything that was logged, told to telemetry and kept, as text. */
async function everything(queue: Queue, lines: Line[]): Promise<string> {
  const kept = [...(await queue.jobs()), ...(await queue.dead())];
  const logged = lines.map(({ err, ...rest }) => {
    const error = err as (Error & { to?: unknown }) | undefined;
    return [rest, error?.message, error?.stack, String(error?.cause), JSON.stringify(error)];
  });
  return JSON.stringify([kept, logged]);
}

test('a value is kept out in every form that it takes: as stored, as migrated, as the schema makes it', async () => {
  const { queue, clock, lines } = bench();
  const old = defineJob({ name: 'mail', schema: z.object({ email: z.string() }), handler: () => undefined });
  await queue.enqueue(old, { email: '  Ada@Example.com ' });
  defineJob({
    name: 'mail',
    schema: z.object({ to: z.string().trim().toLowerCase(), at: z.string().transform((at) => new Date(at)) }),
    handler: ({ to, at }) => {
      throw new Error(`no mail to <${to}> on ${at.toISOString()}`, { cause: `as Ada@Example.com says` });
    },
    options: {
      retries: 1,
      version: 2,
      migrate: {
        1: ({ email }: { email: string }) => ({ to: email.replace('Example', 'example'), at: '2026-01-02' }),
      },
      redact: ['to', 'at'],
    },
    replace: true,
  });
  const told: unknown[] = [];
  const end = subscribeOperation('queue.process', { end: ({ error }) => void told.push(String(error)) });
  expect(await queue.jobs()).toMatchObject([{ payload: { email: '  Ada@Example.com ' } }]);
  await queue.startWorker();
  await clock.advance('1h');
  end();
  const text = (await everything(queue, lines)) + told.join();
  expect((await queue.dead())[0]?.failure?.message).toBe('no mail to <[redacted]> on [redacted]');
  expect(text).not.toContain('ada@example');
  expect(text).not.toContain('2026-01-02');
});

test('a list hides a value of an older version under its former name, and all of a form that is not known', async () => {
  const { queue } = bench();
  const enqueued = async (version: number, payload: Record<string, string>): Promise<void> => {
    const migrate = Object.fromEntries(
      Array.from({ length: version - 1 }, (_, i) => [i + 1, (old: never) => old]),
    );
    const any = z.record(z.string(), z.string());
    const options = { version, migrate };
    await queue.enqueue(
      defineJob({ name: 'mail', schema: any, handler: () => 0, options, replace: true }),
      payload,
    );
  };
  await enqueued(1, { email: 'ada@example.com', locale: 'en' });
  await enqueued(2, { to: 'bob@example.com', locale: 'en' });
  await enqueued(3, { whom: 'cid@example.com', locale: 'en' });
  const define = (step: (old: { email: string }) => unknown): unknown =>
    defineJob({
      name: 'mail',
      schema: z.object({ to: z.string() }),
      handler: () => 0,
      options: { version: 2, migrate: { 1: step }, redact: ['to'] },
      replace: true,
    });
  define(({ email, ...rest }) => ({ ...rest, to: email }));
  const hidden = '[redacted]';
  const others = [
    { to: hidden, locale: 'en' },
    { whom: hidden, locale: hidden },
  ];
  const payloads = async (): Promise<unknown[]> => (await queue.jobs()).map(({ payload: shown }) => shown);
  expect(await payloads()).toEqual([{ email: hidden, locale: 'en' }, ...others]);
  define(() => {
    throw new Error('x');
  });
  expect(await payloads()).toEqual([{ email: hidden, locale: hidden }, ...others]);
});

test('what onDead, the backoff function and a key function throw, and why a job is discarded, is redacted too', async () => {
  const { queue, clock, lines } = bench();
  const leak = (): never => {
    throw Object.assign(new Error('of ada@example.com'), {
      to: 'ada@example.com',
      data: [{ to: 'ada@example.com' }],
    });
  };
  const options = { retries: 1, redact: ['to'], onDead: leak, backoff: leak };
  await queue.enqueue(defineJob({ name: 'pay', schema, handler: leak, options }), payload);
  const gone = defineJob({
    name: 'gone',
    schema,
    handler: ({ to }, ctx) => ctx.discard(`${to} has left`),
    options: { redact: ['to'] },
  });
  await queue.enqueue(gone, payload);
  await queue.enqueue(defineJob({ name: 'key', schema, handler: leak }), payload);
  const concurrency = { limit: 1, key: leak };
  defineJob({
    name: 'key',
    schema,
    handler: leak,
    options: { retries: 0, redact: ['to'], concurrency },
    replace: true,
  });
  await queue.startWorker();
  await clock.advance('1h');
  const messages = lines.map(({ message }) => message);
  expect(messages).toContain("the job's onDead failed");
  expect(messages).toContain("the job's backoff function failed: the default is used");
  expect((await queue.jobs({ job: 'gone' }))[0]?.discarded).toBe('[redacted] has left');
  expect((await queue.dead({ job: 'key' }))[0]?.failure?.message).toBe('of [redacted]');
  expect(await everything(queue, lines)).not.toContain('ada@example.com');
});

test('redacted fields are out of the lists of a process that does not define the job, such as the command line', async () => {
  const { queue, clock } = bench();
  await queue.enqueue(
    define(() => new Error('no')),
    payload,
  );
  await queue.startWorker();
  await clock.advance('1h');
  clearSlot('queue.registry');
  expect((await queue.dead())[0]?.payload).toEqual({
    to: '[redacted]',
    user: { pin: '[redacted]', name: 'Ada' },
    cards: [{ number: '[redacted]', kind: 'visa' }],
  });
});
