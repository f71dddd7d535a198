import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, type Job, type JobOptions } from '../src/index.ts';
import { bench } from './bench.ts';

const any = z.unknown();
const same = (payload: never): unknown => payload;
const define = (options: JobOptions<unknown>, seen: unknown[] = [], schema = any): Job<typeof any> =>
  defineJob({ name: 'task', schema, handler: (payload) => seen.push(payload), options, replace: true });

test('a payload of an older version is brought to the present one, step by step, and then parsed', async () => {
  const { queue, clock } = bench();
  const seen: unknown[] = [];
  await queue.enqueue(define({}), { name: 'Ada' });
  await queue.enqueue(define({ version: 2, migrate: { 1: same } }), { name: 'Bob', locale: 'fr' });
  await queue.enqueue(define({ version: 3, migrate: { 1: same, 2: same } }), { to: 'Cid', locale: 'de' });
  const schema = z.object({ to: z.string(), locale: z.string() });
  defineJob({
    name: 'task',
    schema,
    handler: (payload) => seen.push(payload),
    options: {
      version: 3,
      migrate: {
        1: (old: { name: string }) => ({ ...old, locale: 'en' }),
        2: ({ name, ...rest }: { name: string }) => ({ ...rest, to: name }),
      },
    },
    replace: true,
  });
  await queue.startWorker();
  await clock.advance('1m');
  expect(seen).toEqual([
    { to: 'Ada', locale: 'en' },
    { to: 'Bob', locale: 'fr' },
    { to: 'Cid', locale: 'de' },
  ]);
});

test.each([
  [2, {}, [1]],
  [3, { 1: same }, [2]],
  [4, { 1: same }, [2, 3]],
  [4, { 2: same }, [3]],
])(
  'version %i with the steps %o is refused, and the missing steps %o are named',
  (version, migrate, steps) => {
    expect(() => define({ version, migrate })).toThrow(
      expect.objectContaining({
        code: 'E_QUEUE_JOB',
        problems: steps.map((from) =>
          expect.stringContaining(`step ${from}, from version ${from} to ${from + 1}:`),
        ),
      }),
    );
  },
);

test('a job of a version whose step is gone is dead at once, with the step that it needs', async () => {
  const { queue, clock } = bench();
  const seen: unknown[] = [];
  await queue.enqueue(define({}), 'x');
  define({ version: 3, migrate: { 2: same } }, seen);
  await queue.startWorker();
  await clock.advance('1m');
  expect(seen).toEqual([]);
  expect(await queue.dead()).toMatchObject([
    {
      attemptsMade: 1,
      failure: { code: 'E_QUEUE_UNRECOVERABLE', message: expect.stringContaining('`migrate` has no step 1') },
    },
  ]);
});

test('a step that throws leaves the job dead at once, with why', async () => {
  const { queue, clock } = bench();
  await queue.enqueue(define({}), 'x');
  const wrong = new TypeError('no such field');
  define({
    version: 2,
    migrate: {
      1: () => {
        throw wrong;
      },
    },
  });
  await queue.startWorker();
  await clock.advance('1m');
  expect(await queue.dead()).toMatchObject([
    {
      attemptsMade: 1,
      failure: {
        code: 'E_QUEUE_UNRECOVERABLE',
        message: expect.stringContaining('from version 1 to 2: no such field'),
      },
    },
  ]);
});

test('a job of a newer version goes back, at no cost, less and less often, until a worker knows it', async () => {
  const { queue, clock, lines } = bench();
  const seen: unknown[] = [];
  await queue.enqueue(define({ version: 2, migrate: { 1: same } }), 'new', { id: 'j' });
  define({}, seen);
  await queue.startWorker();
  await clock.advance('10m');
  expect(seen).toEqual([]);
  expect(await queue.job('j')).toMatchObject({ state: 'delayed', attemptsMade: 0 });
  expect(lines.map(({ message }) => message)).toContain(
    '"task" is of version 2, and this process knows it up to 1: the job goes back to its queue',
  );
  expect(lines.map(({ delay }) => delay).slice(0, 8)).toEqual([
    1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000,
  ]);
  define({ version: 2, migrate: { 1: same } }, seen);
  await clock.advance('1m');
  expect(seen).toEqual(['new']);
});

test.each([
  [{ version: 0 }, 'version'],
  [{ version: 1.5 }, 'version'],
  [{ migrate: { 1: () => 0 } }, 'migrate'],
  [{ migrate: { 0: () => 0 } }, 'migrate'],
  [{ version: 2, migrate: { 1: 'x' as never } }, 'migrate'],
  [{ redact: 'to' as never }, 'redact'],
  [{ redact: [''] }, 'redact'],
])('a definition with %o is refused', (options, word) => {
  expect(() => define(options)).toThrow(new RegExp(`\`${word}\` must`));
});
