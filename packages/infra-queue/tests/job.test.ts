import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { type DefinitionError, defineJob, type Job } from '../src/index.ts';
import { bench } from './bench.ts';

const schema = z.object({
  at: z.string().transform((text) => new Date(text)),
  note: z.string().default('-'),
});

test('a job has its defaults filled in', () => {
  expect(defineJob({ name: 'a', schema, handler: () => undefined })).toMatchObject({
    queue: 'default',
    retries: 3,
    backoff: 'exponential',
    timeout: undefined,
    priority: 'normal',
    maxPayloadBytes: 65_536,
  });
});

test('a handler is typed by what the schema returns, enqueue by what it accepts', () => {
  const job = defineJob({
    name: 'typed',
    schema,
    handler(payload) {
      expectTypeOf(payload).toEqualTypeOf<{ at: Date; note: string }>();
    },
    options: {
      unique: (payload) => {
        expectTypeOf(payload).toEqualTypeOf<{ at: string; note?: string | undefined }>();
        return payload.at;
      },
    },
  });
  const { queue } = bench();
  const ofJob = (payload: Parameters<typeof queue.enqueue<typeof schema>>[1]): unknown => payload;
  expectTypeOf(ofJob).parameter(0).toEqualTypeOf<{ at: string; note?: string | undefined }>();
  // @ts-expect-error a date is what the schema returns, not what it accepts
  void (() => queue.enqueue(job, { at: new Date() }));
  expectTypeOf(job).toEqualTypeOf<Job<typeof schema>>();
});

test('a definition that cannot work names every problem at once', () => {
  const wrong = {
    name: ' bad',
    schema: {},
    handler: 'no',
    options: {
      retries: -1,
      backoff: 'slow',
      timeout: 0,
      queue: 'a:b',
      priority: 'urgent',
      unique: { key: 'k', onConflict: 'merge' },
      maxPayloadBytes: 0.5,
    },
  };
  const error = caught(() => defineJob(wrong as never)) as DefinitionError;
  expect(error).toMatchObject({ code: 'E_QUEUE_JOB' });
  for (const word of Object.keys({ ...wrong, ...wrong.options }).filter((key) => key !== 'options'))
    expect(error.problems.filter((problem) => problem.startsWith(`\`${word}\``))).toHaveLength(1);
  expect(error.message).toContain('"\\u0020bad"'.replace('\\u0020', ' '));
});

test('the queue of crons is not for jobs', () => {
  expect(() =>
    defineJob({ name: 'a', schema, handler: () => undefined, options: { queue: 'cron' } }),
  ).toThrow(/kept for crons/);
});

test.each([
  [{ type: 'linear' }, /backoff/],
  [{ type: 'fixed', jitter: 2 }, /jitter/],
  [{ type: 'fixed', delay: 'soon' }, /durations/],
])('a backoff of %o is refused', (backoff, words) => {
  expect(() =>
    defineJob({ name: 'a', schema, handler: () => undefined, options: { backoff: backoff as never } }),
  ).toThrow(words);
});

test('a second job of a name is refused unless it replaces the first', async () => {
  const { queue } = bench();
  const ran: string[] = [];
  const define = (word: string, replace?: boolean): Job<z.ZodString> =>
    defineJob({
      name: 'a',
      schema: z.string(),
      handler: () => ran.push(word),
      ...(replace ? { replace } : {}),
    });
  define('first');
  expect(() => define('second')).toThrow(expect.objectContaining({ code: 'E_QUEUE_DUPLICATE' }));
  await queue.enqueue(define('third', true), 'x');
  const worker = await queue.startWorker();
  await worker.idle();
  expect(ran).toEqual(['third']);
});

function caught(fn: () => unknown): unknown {
  try {
    return fn();
  } catch (thrown) {
    return thrown;
  }
}
