import { resetInfra } from '@vibeonrails/infra-core/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHealth } from '../src/index.ts';

// What a check throws is logged on stderr, which is not what these tests look at.
beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
afterEach(resetInfra);

/** The report over a check that does something odd, between two good ones. */
async function reportOn(odd: () => unknown) {
  const health = createHealth();
  health.register('before', async () => ({ status: 'ok' }));
  health.register('odd', odd as () => { status: 'ok' });
  health.register('after', () => ({ status: 'ok' }));
  const report = await health.check();
  // It must always be possible to send it.
  JSON.stringify(report);
  expect(report.checks.map(({ name }) => name)).toEqual(['before', 'odd', 'after']);
  expect(report.checks[0]?.status).toBe('ok');
  expect(report.checks[2]?.status).toBe('ok');
  return { report, odd: report.checks[1] };
}

const throwing = (thrown: unknown) => () => {
  throw thrown;
};
const trap = {
  get: () => {
    throw new Error('trap');
  },
  getPrototypeOf: () => {
    throw new Error('trap');
  },
};
class Hostile extends Error {
  override get message(): string {
    throw new Error('no');
  }
}
const unreadable = {
  get status() {
    throw new Error('no status');
  },
};
const unread = 'threw something that cannot be read';

test.each([
  ['an error', new Error('connection refused'), 'connection refused'],
  ['undefined', undefined, 'threw undefined'],
  ['null', null, 'threw null'],
  ['a text', 'down', 'threw "down"'],
  ['a symbol', Symbol('x'), 'threw a symbol'],
  ['an object without a prototype', Object.create(null), 'threw an object without a message'],
  ['a proxy full of traps', new Proxy({}, trap), unread],
  ['an error whose message throws', new Hostile(), unread],
  [
    'an error without a message',
    Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }),
    'ECONNREFUSED',
  ],
])('a check that throws %s is one bad row', async (_, thrown, message) => {
  for (const odd of [throwing(thrown), async () => throwing(thrown)(), () => Promise.reject(thrown)]) {
    const seen = await reportOn(odd);
    expect(seen.report.status).toBe('error');
    expect(seen.odd).toMatchObject({ status: 'error', message, failures: 1 });
  }
});

test.each([
  ['undefined', undefined, 'answered undefined in place of'],
  ['null', null, 'answered null in place of'],
  ['true', true, 'answered true in place of'],
  ['a text', 'ok', 'answered "ok" in place of'],
  ['a list', [], 'answered an object without a status in place of'],
  ['an object without status', {}, 'answered an object without a status in place of'],
  ['an unknown status', { status: 'up' }, 'answered the unknown status "up"'],
  [
    'a name of Object.prototype as status',
    { status: 'constructor' },
    'answered the unknown status "constructor"',
  ],
  ['a status that throws', unreadable, 'its answer cannot be read: no status'],
])('a check that answers %s is one bad row', async (_, answer, message) => {
  for (const odd of [() => answer, async () => answer]) {
    const seen = await reportOn(odd);
    expect(seen.odd).toMatchObject({ status: 'error', message: expect.stringContaining(message) });
  }
});

const cyclic: Record<string, unknown> = {};
cyclic.self = cyclic;
const getter = {
  get x() {
    throw new Error('no x');
  },
};
test.each([
  ['a BigInt', { n: 1n }, 'its data cannot be written as JSON: '],
  ['a cycle', cyclic, 'its data cannot be written as JSON: '],
  ['a getter that throws', getter, 'its data cannot be written as JSON: no x'],
  ['a text', 'text', 'its data is not an object'],
  ['a list', [1], 'its data is not an object'],
  ['a value that turns into nothing', { toJSON: () => undefined }, 'its data is not an object'],
  ['20,000 characters', { text: 'x'.repeat(20_000) }, 'its data is over 16 KiB'],
])('data with %s is left out, and its row says so as degraded', async (_, data, message) => {
  const { odd } = await reportOn(() => ({ status: 'ok', data }));
  expect(odd).toMatchObject({ status: 'degraded', message: expect.stringContaining(message) });
  expect(odd).not.toHaveProperty('data');
});

test('data that cannot be written never makes an error better', async () => {
  const { odd } = await reportOn(() => ({ status: 'error', message: 'down', data: { n: 1n } }));
  expect(odd).toMatchObject({ status: 'error', message: expect.stringMatching(/^down \(its data cannot/) });
});

test('a message never holds a stack, a password of a URL or more than a line', async () => {
  const error = new Error('first');
  error.message = `cannot reach redis://user:s3cret@host:6379/0\n    at connect (file.ts:1:1)\n  retry later${'.'.repeat(999)}`;
  const { odd } = await reportOn(throwing(error));
  expect(odd?.message).toMatch(/^cannot reach redis:\/\/\*\*\*@host:6379\/0 retry later\.+…$/);
  expect(odd?.message?.length).toBeLessThan(510);
});

test('a row is a copy: changing the answer afterwards changes no report', async () => {
  const data = { n: 1 };
  const { odd } = await reportOn(() => ({ status: 'ok', data }));
  data.n = 2;
  expect(odd?.data).toEqual({ n: 1 });
});

test('a check that asks for the whole report waits for itself, and is one bad row', async () => {
  const health = createHealth({ timeout: 50 });
  let calls = 0;
  health.register('self', async () => {
    calls += 1;
    return { status: (await health.check()).status };
  });
  expect(await health.check()).toMatchObject({ checks: [{ message: 'did not answer within 50 ms' }] });
  expect(calls).toBe(1);
});

test('options that are null do not break the promise never to reject', async () => {
  expect((await createHealth().check(null as never)).status).toBe('ok');
});
