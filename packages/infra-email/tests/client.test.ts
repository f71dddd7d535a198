import { runWithContext, subscribeOperation } from '@vibeonrails/infra-core';
import { createLogger, setLogger } from '@vibeonrails/infra-core/logging';
import { describe, expect, expectTypeOf, it, test } from 'vitest';
import {
  createEmail,
  type EmailDriver,
  type EmailOptions,
  type RenderedEmail,
  type SendContext,
  type SendEmailOptions,
} from '../src/index.ts';
import { folder } from './folder.ts';

/** A sender over a driver that remembers what it was given. */
function make(options: EmailOptions = {}) {
  const given: { message: Readonly<RenderedEmail>; context: SendContext }[] = [];
  const driver: EmailDriver = {
    name: 'memory',
    ready: async () => undefined,
    send: async (message, context) => {
      given.push({ message, context });
      return { id: `id-${given.length}` };
    },
    check: async () => undefined,
    close: async () => undefined,
  };
  const email = createEmail({
    driver,
    from: 'App <app@example.com>',
    templates: folder(),
    env: {},
    ...options,
  });
  const send = (more: Partial<SendEmailOptions> = {}) =>
    email.send('welcome', { to: 'ada@example.com', data: { name: 'Ada', appName: 'App' }, ...more });
  return { email, given, send };
}

test('a driver is given one complete, frozen message and the answer is its id', async () => {
  const { given, send } = make();
  const result = await send({
    to: ['Ada <ada@example.com>', 'bob@example.com'],
    cc: 'c@example.com',
    bcc: { email: 'd@example.com' },
    replyTo: 'Help <help@example.com>',
    headers: { 'X-Ticket': '42' },
    tags: { kind: 'welcome' },
    attachments: [{ filename: 'a.csv', content: 'ä' }],
    locale: 'fr',
  });
  expect(result).toEqual({ status: 'sent', id: 'id-1', driver: 'memory' });
  const { message } = given[0]!;
  expect(Object.isFrozen(message)).toBe(true);
  expect({ ...message, html: '', text: '' }).toEqual({
    template: 'welcome',
    locale: 'en',
    from: { name: 'App', email: 'app@example.com' },
    to: [{ name: 'Ada', email: 'ada@example.com' }, { email: 'bob@example.com' }],
    cc: [{ email: 'c@example.com' }],
    bcc: [{ email: 'd@example.com' }],
    replyTo: [{ name: 'Help', email: 'help@example.com' }],
    subject: 'Welcome to App, Ada',
    html: '',
    text: '',
    headers: { 'X-Ticket': '42' },
    tags: { kind: 'welcome' },
    attachments: [{ filename: 'a.csv', content: Buffer.from('ä'), contentType: 'text/csv' }],
  });
});

test('each call has a key of its own, unless it is given one', async () => {
  const { given, send } = make();
  await send();
  await send();
  await send({ idempotencyKey: 'welcome/user-42' });
  const keys = given.map(({ context }) => context.idempotencyKey);
  expect(new Set(keys).size).toBe(3);
  expect(keys[2]).toBe('welcome/user-42');
  for (const key of keys) expect(key).toMatch(/^[\x21-\x7e]{1,256}$/);
});

describe('an option that cannot be sent is refused, and nothing is sent', () => {
  const text = (length: number): string => 'x'.repeat(length);
  const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `u${i}@example.com`);
  it.each<[string, string, Partial<SendEmailOptions>]>([
    ['no recipient', 'E_EMAIL_RECIPIENTS', { to: [] }],
    ['51 recipients', 'E_EMAIL_RECIPIENTS', { to: many(51) }],
    ['51 recipients over all fields', 'E_EMAIL_RECIPIENTS', { to: many(20), cc: many(20), bcc: many(11) }],
    ['a recipient that is none', 'E_EMAIL_ADDRESS', { to: 'ada' }],
    ['a sender that is none', 'E_EMAIL_ADDRESS', { from: 'x' }],
    ['a line break in a header', 'E_EMAIL_HEADER', { headers: { 'X-A': 'a\r\nBcc: eve@example.com' } }],
    ['a NUL in a header', 'E_EMAIL_HEADER', { headers: { 'X-A': 'a\0' } }],
    ['a line break in a header’s name', 'E_EMAIL_HEADER', { headers: { 'X-A\r\nBcc': 'x' } }],
    ['a colon in a header’s name', 'E_EMAIL_HEADER', { headers: { 'X-A: b': 'x' } }],
    ['a header that has an option', 'E_EMAIL_HEADER', { headers: { bCc: 'eve@example.com' } }],
    ['a header that belongs to the format', 'E_EMAIL_HEADER', { headers: { 'Content-Type': 'text/x' } }],
    ['a header that is too long', 'E_EMAIL_HEADER', { headers: { 'X-A': text(901) } }],
    ['a header that is no text', 'E_EMAIL_HEADER', { headers: { 'X-A': 5 as never } }],
    ['a tag with a blank', 'E_EMAIL_OPTION', { tags: { kind: 'a b' } }],
    ['a tag that is too long', 'E_EMAIL_OPTION', { tags: { [text(257)]: 'a' } }],
    ['an empty key', 'E_EMAIL_OPTION', { idempotencyKey: '' }],
    ['a key that is too long', 'E_EMAIL_OPTION', { idempotencyKey: text(257) }],
    ['a key with a line break', 'E_EMAIL_OPTION', { idempotencyKey: 'a\nb' }],
    ['a subject that is no text', 'E_EMAIL_OPTION', { subject: 5 as never }],
    [
      'an attachment with a folder',
      'E_EMAIL_ATTACHMENT',
      { attachments: [{ filename: '../a', content: '' }] },
    ],
    [
      'an attachment with a line break in its name',
      'E_EMAIL_ATTACHMENT',
      { attachments: [{ filename: 'a\r\nX: y', content: '' }] },
    ],
    ['an attachment without a name', 'E_EMAIL_ATTACHMENT', { attachments: [{ filename: ' ', content: '' }] }],
    [
      'an attachment without content',
      'E_EMAIL_ATTACHMENT',
      { attachments: [{ filename: 'a', content: undefined as never }] },
    ],
    [
      'an attachment with a hostile type',
      'E_EMAIL_ATTACHMENT',
      { attachments: [{ filename: 'a', content: '', contentType: 'a/b\r\nX: y' }] },
    ],
    [
      'an attachment with a hostile id',
      'E_EMAIL_ATTACHMENT',
      { attachments: [{ filename: 'a', content: '', cid: 'a>\r\nX: y' }] },
    ],
    [
      'attachments of more than 30 MB',
      'E_EMAIL_ATTACHMENT',
      { attachments: [{ filename: 'a', content: new Uint8Array(30 * 1024 * 1024 + 1) }] },
    ],
  ])('%s', async (_, code, options) => {
    const { given, send } = make();
    await expect(send(options)).rejects.toMatchObject({ code, retryable: false });
    expect(given).toEqual([]);
  });
});

test('50 recipients are fine', async () => {
  const { given, send } = make();
  await send({ to: Array.from({ length: 50 }, (_, i) => `u${i}@example.com`) });
  expect(given[0]?.message.to).toHaveLength(50);
});

test('a subject of one’s own replaces the template’s, on one line', async () => {
  const { given, send } = make();
  await send({ subject: ' Hi\r\nBcc: eve@example.com\0 ' });
  expect(given[0]?.message.subject).toBe('Hi Bcc: eve@example.com');
});

test('a driver that delivers needs a sender: from the option, the variable or the call', async () => {
  const without = make({ from: undefined as never });
  await expect(without.send()).rejects.toMatchObject({ code: 'E_EMAIL_FROM_REQUIRED' });
  await without.send({ from: 'me@example.com' });
  expect(without.given[0]?.message.from).toEqual({ email: 'me@example.com' });
  const variable = make({ from: undefined as never, env: { EMAIL_FROM: 'Env <env@example.com>' } });
  await variable.send();
  expect(variable.given[0]?.message.from).toEqual({ name: 'Env', email: 'env@example.com' });
  expect(() => make({ from: 'nonsense' })).toThrow(expect.objectContaining({ code: 'E_EMAIL_ADDRESS' }));
});

test('an aborted call sends nothing and rejects with the reason', async () => {
  const { given, send } = make();
  const reason = new Error('changed my mind');
  await expect(send({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(given).toEqual([]);
});

test('the signal reaches the driver', async () => {
  const { given, send } = make();
  const { signal } = new AbortController();
  await send({ signal });
  expect(given[0]?.context.signal).toBe(signal);
});

test('closing waits for what is under way, and later calls are refused', async () => {
  const { email } = make();
  let release: (value: { id: string }) => void = () => undefined;
  let closed = false;
  let sent: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    sent = resolve;
  });
  const slow = createEmail({
    from: 'a@example.com',
    env: {},
    driver: {
      name: 'slow',
      ready: async () => undefined,
      send: () => {
        sent();
        return new Promise((resolve) => {
          release = resolve;
        });
      },
      check: async () => undefined,
      close: async () => {
        closed = true;
      },
    },
  });
  const sending = slow.send('welcome', { to: 'a@example.com', data: { name: 'A', appName: 'B' } });
  await reached;
  const closing = slow.close();
  expect(slow.close()).toBe(closing);
  await new Promise((resolve) => setImmediate(resolve));
  expect(closed).toBe(false);
  release({ id: 'x' });
  await closing;
  expect(closed).toBe(true);
  expect(await sending).toMatchObject({ id: 'x' });
  await email.close();
  for (const call of [email.send('welcome', { to: 'a@b.co' }), email.render('welcome'), email.ready()])
    await expect(call).rejects.toMatchObject({ code: 'E_EMAIL_CLOSED' });
});

test('closed in the moment of its first use, it still sends what was asked for', async () => {
  const { email, given, send } = make();
  const sending = Promise.all([send(), send()]);
  await email.close();
  expect(given).toHaveLength(2);
  expect(await sending).toMatchObject([{ status: 'sent' }, { status: 'sent' }]);
});

test('closed before it was used, it closes the driver that it was given', async () => {
  let closed = 0;
  const idle: EmailDriver = {
    name: 'idle',
    ready: async () => undefined,
    send: async () => ({ id: 'x' }),
    check: async () => undefined,
    close: async () => {
      closed += 1;
    },
  };
  const email = createEmail({ from: 'a@example.com', env: {}, driver: idle });
  await Promise.all([email.close(), email.close()]);
  expect(closed).toBe(1);
});

test('what a driver rejects with reaches the caller as it is', async () => {
  const failure = new Error('the provider is down');
  const email = createEmail({
    from: 'a@example.com',
    env: {},
    driver: {
      name: 'broken',
      ready: async () => undefined,
      send: () => Promise.reject(failure),
      check: async () => undefined,
      close: async () => undefined,
    },
  });
  const sending = email.send('welcome', { to: 'a@example.com', data: { name: 'A', appName: 'B' } });
  await expect(sending).rejects.toBe(failure);
});

test('sending is told to who listens, and logged with masked addresses and the ids of its context', async () => {
  const lines: string[] = [];
  setLogger(createLogger({ destination: { write: (line) => void lines.push(line) }, env: {} }));
  const seen: object[] = [];
  const end = subscribeOperation('email.send', { end: (event) => void seen.push({ ...event }) });
  const { send } = make();
  const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
  await runWithContext({ trace, requestId: 'r-1' }, () => send({ cc: 'c@example.com' }));
  end();
  expect(seen).toMatchObject([
    { template: 'welcome', transport: 'memory', recipients: 2, result: { id: 'id-1' } },
  ]);
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    module: 'email',
    template: 'welcome',
    id: 'id-1',
    to: ['a***@example.com'],
    trace_id: trace.traceId,
    request_id: 'r-1',
  });
  expect(lines[0]).not.toContain('ada@');
});

test('render shows the message and sends nothing', async () => {
  const { email, given } = make();
  const rendered = await email.render('welcome', { data: { name: 'Ada', appName: 'App' } });
  expect(Object.keys(rendered)).toEqual(['subject', 'html', 'text', 'findings']);
  expect(rendered.findings).toEqual([]);
  expect(given).toEqual([]);
});

declare module '@vibeonrails/infra-email' {
  interface EmailTemplates {
    typed: { count: number };
  }
}

test('an application can give its templates types', () => {
  const { email } = make();
  expectTypeOf<Parameters<typeof email.send<'typed'>>[1]['data']>().toEqualTypeOf<{ count: number }>();
  // @ts-expect-error the data of a template that is listed is required
  const call = () => email.send('typed', { to: 'a@example.com' });
  expect(call).toBeTypeOf('function');
  expectTypeOf<Parameters<typeof email.send<'other'>>[1]['data']>().toEqualTypeOf<
    Readonly<Record<string, unknown>> | undefined
  >();
});
