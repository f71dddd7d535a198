import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, type PayloadError } from '../src/index.ts';
import { bench } from './bench.ts';

const anything = (options = {}) =>
  defineJob({ name: 'anything', schema: z.any(), handler: () => undefined, options });

async function issuesOf(payload: unknown): Promise<PayloadError['issues']> {
  const { queue } = bench();
  const error = (await queue.enqueue(anything(), payload).catch((thrown) => thrown)) as PayloadError;
  expect(error).toMatchObject({ code: 'E_QUEUE_PAYLOAD', job: 'anything' });
  expect((await queue.stats()).waiting).toBe(0);
  return error.issues;
}

class Money {
  amount = 1;
}
const circular: Record<string, unknown> = {};
circular.inner = { back: circular };
let deep: unknown = 1;
for (let i = 0; i < 5000; i += 1) deep = [deep];

test.each<[string, unknown, string, RegExp]>([
  ['a Date', { a: { when: new Date() } }, 'a.when', /Date object/],
  ['a BigInt', [1, 2n], '1', /bigint/],
  ['a Map', { m: new Map() }, 'm', /Map/],
  ['a Set', { m: new Set() }, 'm', /Set/],
  ['bytes', { b: new Uint8Array(2) }, 'b', /Uint8Array/],
  ['undefined', { a: undefined }, 'a', /undefined/],
  ['nothing at all', undefined, '', /undefined/],
  ['NaN', { n: Number.NaN }, 'n', /NaN/],
  ['infinity', [Number.POSITIVE_INFINITY], '0', /Infinity/],
  ['a function', { f: () => 1 }, 'f', /function/],
  ['a symbol', { s: Symbol('x') }, 's', /symbol/],
  ['an object with symbols', { s: { [Symbol('x')]: 1 } }, 's', /symbols/],
  ['an object with toJSON', { t: { toJSON: () => 1 } }, 't', /toJSON/],
  ['an object of a class', { price: new Money() }, 'price', /Money/],
  ['an object that contains itself', circular, 'inner.back', /contains itself/],
  ['a hole in an array', Object.assign(new Array(3), { 0: 1, 2: 3 }), '1', /undefined/],
  [
    'an array with fields of its own',
    { list: Object.assign([1], { total: 5 }) },
    'list',
    /fields beside its items/,
  ],
  ['an array with toJSON()', { list: Object.assign([1], { toJSON: () => 'x' }) }, 'list', /toJSON/],
  ['a key that changes prototypes', JSON.parse('{"a":{"__proto__":{"x":1}}}'), 'a.__proto__', /not allowed/],
])('%s is refused with its path', async (_what, payload, path, message) => {
  expect(await issuesOf(payload)).toEqual([{ path, message: expect.stringMatching(message) }]);
});

test('a value nested without end is refused, not a stack overflow', async () => {
  expect((await issuesOf(deep))[0]?.message).toMatch(/levels deep/);
});

test('plain JSON passes as it is, also from another realm and without a prototype', async () => {
  const { queue } = bench();
  const shared = { x: 1 };
  const payload = {
    list: [null, true, 'ü☃\u0000', 0.5, [], {}],
    bare: Object.assign(Object.create(null), { a: 1 }),
    foreign: runInNewContext('({ a: [1] })'),
    twice: [shared, shared],
  };
  const { id } = await queue.enqueue(anything(), payload);
  expect((await queue.job(id))?.payload).toEqual(JSON.parse(JSON.stringify(payload)));
});

test('everything that is wrong is told at once, by JSON and by the schema, once each', async () => {
  const { queue } = bench();
  const job = defineJob({
    name: 'invite',
    schema: z.object({
      to: z.string().email(),
      when: z.string(),
      seats: z.number().min(1),
      who: z.object({ id: z.string() }),
    }),
    handler: () => undefined,
  });
  const error = (await queue
    .enqueue(job, { to: 'nobody', when: new Date() as never, seats: 0, who: { id: 7n as never } })
    .catch((thrown) => thrown)) as PayloadError;
  expect(error.issues.map(({ path }) => path).sort()).toEqual(['seats', 'to', 'when', 'who.id']);
  expect(error.message).toMatch(/"invite" is refused:\n {2}when: a Date object, which JSON would change\.\n/);
  expect(error.message).toContain('  to: Invalid email address.\n');
  expect(error.message).not.toContain('nobody');
});

test('the input is stored, and parsed when it runs', async () => {
  const { queue, clock } = bench();
  const seen: unknown[] = [];
  const job = defineJob({
    name: 'remind',
    schema: z.object({ at: z.string().transform((text) => new Date(text)), by: z.string().default('mail') }),
    handler: (payload) => seen.push(payload),
  });
  const { id } = await queue.enqueue(job, { at: '2026-05-01T00:00:00Z' });
  expect((await queue.job(id))?.payload).toEqual({ at: '2026-05-01T00:00:00Z' });
  await queue.startWorker();
  await clock.advance(0);
  expect(seen).toEqual([{ at: new Date('2026-05-01T00:00:00Z'), by: 'mail' }]);
});

test('an asynchronous schema is awaited', async () => {
  const { queue } = bench();
  const job = defineJob({
    name: 'slow',
    schema: z.string().refine(async (text) => text === 'good', 'must be good'),
    handler: () => undefined,
  });
  await expect(queue.enqueue(job, 'bad')).rejects.toMatchObject({
    issues: [{ path: '', message: 'must be good' }],
  });
  expect(await queue.enqueue(job, 'good')).toMatchObject({ status: 'enqueued' });
});

test('a payload over the cap is refused, counted in bytes', async () => {
  const { queue } = bench();
  const job = anything({ maxPayloadBytes: 10 });
  expect(await queue.enqueue(job, 'x'.repeat(8))).toMatchObject({ status: 'enqueued' });
  await expect(queue.enqueue(job, 'üüüüü')).rejects.toMatchObject({
    code: 'E_QUEUE_PAYLOAD_SIZE',
    message: expect.stringContaining('12 bytes, 10 are allowed'),
  });
});

test('the cap is 64 KiB when nothing is said', async () => {
  const { queue } = bench();
  const job = anything();
  expect(await queue.enqueue(job, 'x'.repeat(65_534))).toMatchObject({ status: 'enqueued' });
  await expect(queue.enqueue(job, 'x'.repeat(65_535))).rejects.toMatchObject({
    code: 'E_QUEUE_PAYLOAD_SIZE',
  });
});

test('changing a payload after enqueue, or in a handler, changes no later attempt', async () => {
  const { queue, clock } = bench();
  const seen: number[] = [];
  const job = defineJob({
    name: 'mutate',
    schema: z.custom<{ n: number }>(),
    handler(payload) {
      seen.push(payload.n++);
      if (seen.length === 1) throw new Error('again');
    },
    options: { backoff: 'fixed' },
  });
  const payload = { n: 1 };
  await queue.enqueue(job, payload);
  payload.n = 5;
  await queue.startWorker();
  await clock.advance('2s');
  expect(seen).toEqual([1, 1]);
});

test('a schema that changes what it is given changes neither the payload of the caller nor what is stored', async () => {
  const { queue } = bench();
  const job = defineJob({
    name: 'rough',
    schema: z.custom<{ n: number }>((value) => {
      (value as { n: number }).n = 99;
      return true;
    }),
    handler: () => undefined,
  });
  const payload = { n: 1 };
  const { id } = await queue.enqueue(job, payload);
  expect(payload).toEqual({ n: 1 });
  expect((await queue.job(id))?.payload).toEqual({ n: 1 });
});

test('objects that all refer to each other are refused at once, with where', async () => {
  const people: { friends: unknown[] }[] = Array.from({ length: 30 }, () => ({ friends: [] }));
  for (const person of people) person.friends = people.filter((other) => other !== person);
  const { queue } = bench();
  const job = defineJob({ name: 'graph', schema: z.array(z.unknown()), handler: () => undefined });
  const error = await queue.enqueue(job, people).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'E_QUEUE_PAYLOAD',
    message: expect.stringContaining('contains itself'),
  });
});
