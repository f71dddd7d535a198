import { createHmac, randomBytes } from 'node:crypto';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { Resend } from 'resend';
import { expect, expectTypeOf, test } from 'vitest';
import { type EmailEvent, type ResendWebhookOptions, verifyResendWebhook } from '../src/index.ts';

const key = randomBytes(24);
const secret = `whsec_${key.toString('base64')}`;
const clock = fakeClock();
const now = clock.now() / 1000;

/** Signed as Svix, which sends for Resend, publishes it: HMAC-SHA256 over id, time and body. */
const sign = (body: string, { id = 'msg_1', time = now, by = key } = {}): string =>
  `v1,${createHmac('sha256', by).update(`${id}.${time}.${body}`).digest('base64')}`;

const request = (body: string, headers: Record<string, string> = {}): Request =>
  new Request('http://localhost/webhooks/resend', {
    method: 'POST',
    body,
    headers: {
      'svix-id': 'msg_1',
      'svix-timestamp': String(now),
      'svix-signature': sign(body),
      ...headers,
    },
  });

const verify = (it: Request, options: ResendWebhookOptions = {}): Promise<EmailEvent> =>
  verifyResendWebhook(it, { secret, clock, env: {}, ...options });

const data = {
  created_at: '2026-01-01T00:00:00.000Z',
  email_id: '56761188-7520-42d8-8898-ff6fc54ce618',
  message_id: '<1@example.com>',
  from: 'App <app@example.com>',
  to: ['ada@example.com'],
  subject: 'Välkommen 🎉',
  tags: { kind: 'welcome' },
};
const event = (type: string, more: object = {}): string =>
  JSON.stringify({ type, created_at: '2026-01-01T00:00:01.000Z', data: { ...data, ...more } });
const common = {
  id: 'msg_1',
  at: new Date('2026-01-01T00:00:01.000Z'),
  emailId: data.email_id,
  from: data.from,
  to: data.to,
  subject: data.subject,
  tags: data.tags,
};

test.each<[string, object, object]>([
  ['sent', {}, {}],
  ['scheduled', {}, {}],
  ['delivered', {}, {}],
  ['delivery_delayed', {}, {}],
  ['complained', {}, {}],
  ['opened', {}, {}],
  [
    'bounced',
    { bounce: { type: 'Permanent', subType: 'General', message: 'no such user' } },
    { permanent: true, reason: 'no such user' },
  ],
  ['bounced', { bounce: { type: 'Transient', message: 'full' } }, { permanent: false, reason: 'full' }],
  ['failed', { failed: { reason: 'quota' } }, { reason: 'quota' }],
  [
    'suppressed',
    { suppressed: { type: 'OnAccountSuppressionList', message: 'bounced before' } },
    { reason: 'bounced before' },
  ],
  ['clicked', { click: { link: 'https://example.com' } }, { link: 'https://example.com' }],
])('%s is an event with what belongs to it (%o)', async (type, more, expected) => {
  expect(await verify(request(event(`email.${type}`, more)))).toEqual({ ...common, type, ...expected });
});

test('any other event comes with its data as it is', async () => {
  const body = JSON.stringify({ type: 'contact.created', created_at: common.at, data: { id: 7 } });
  expect(await verify(request(body))).toEqual({
    type: 'other',
    id: 'msg_1',
    at: common.at,
    name: 'contact.created',
    data: { id: 7 },
  });
});

test('an event with fields of other kinds is still one', async () => {
  for (const more of [{ bounce: null }, { to: 'a@example.com', tags: [] }, { bounce: 'x', subject: 1 }])
    expect(await verify(request(event('email.bounced', more)))).toMatchObject({
      type: 'bounced',
      permanent: false,
    });
  for (const body of ['null', '[]', '{}', '"x"'])
    expect(await verify(request(body))).toMatchObject({ type: 'other', name: '' });
});

const body = event('email.delivered');
const refused = (problem: string) => ({
  code: 'E_EMAIL_WEBHOOK',
  retryable: false,
  message: expect.stringContaining(problem),
});

test.each<[string, () => Request, string]>([
  ['no headers', () => new Request('http://localhost', { method: 'POST', body }), 'is not signed'],
  ['no signature', () => request(body, { 'svix-signature': '' }), 'is not signed'],
  ['a time that is none', () => request(body, { 'svix-timestamp': '1e9' }), 'is not signed'],
  [
    'another body',
    () => request(`${body} `, { 'svix-signature': sign(body) }),
    'no signature of this secret',
  ],
  ['another id', () => request(body, { 'svix-id': 'msg_2' }), 'no signature of this secret'],
  ['another time', () => request(body, { 'svix-timestamp': String(now - 1) }), 'no signature of this secret'],
  [
    'another key',
    () => request(body, { 'svix-signature': sign(body, { by: randomBytes(24) }) }),
    'no signature',
  ],
  [
    'another version',
    () => request(body, { 'svix-signature': sign(body).replace('v1,', 'v2,') }),
    'no signature',
  ],
  ['half a signature', () => request(body, { 'svix-signature': sign(body).slice(0, 20) }), 'no signature'],
  ['a signature of nothing', () => request(body, { 'svix-signature': 'v1,' }), 'no signature'],
  ['a body that is no JSON', () => request('{'), 'holds no JSON'],
  ['a body without an end in sight', () => request('x'.repeat(2 ** 20 + 1)), 'has more than'],
])('%s is refused', async (_, make, problem) => {
  await expect(verify(make())).rejects.toMatchObject(refused(problem));
});

test('while the secret is replaced one right signature of several is enough', async () => {
  const old = sign(body, { by: randomBytes(24) });
  expect(await verify(request(body, { 'svix-signature': `${old} ${sign(body)} v1a,x` }))).toMatchObject({
    type: 'delivered',
  });
});

test.each([
  [-300, true],
  [300, true],
  [-301, false],
  [301, false],
])('signed %i seconds from now it is taken: %s', async (seconds, taken) => {
  const time = now + seconds;
  const it = verify(
    request(body, { 'svix-timestamp': String(time), 'svix-signature': sign(body, { time }) }),
  );
  if (taken) expect(await it).toMatchObject({ type: 'delivered' });
  else await expect(it).rejects.toMatchObject(refused('at another time than now'));
});

test('the tolerance is an option', async () => {
  const time = now - 60;
  const old = () => request(body, { 'svix-timestamp': String(time), 'svix-signature': sign(body, { time }) });
  await expect(verify(old(), { tolerance: '59s' })).rejects.toMatchObject({ code: 'E_EMAIL_WEBHOOK' });
  expect(await verify(old(), { tolerance: '1m' })).toMatchObject({ type: 'delivered' });
});

test('the secret comes from the environment; without one, or with none that can be, it says so', async () => {
  const options = { clock, env: { RESEND_WEBHOOK_SECRET: secret } };
  expect(await verifyResendWebhook(request(body), options)).toMatchObject({ type: 'delivered' });
  for (const none of [undefined, '', 'whsec_', 'short', 're_123 456'])
    await expect(verify(request(body), { secret: none as string })).rejects.toMatchObject({
      code: 'E_EMAIL_OPTION',
      message: expect.stringContaining('RESEND_WEBHOOK_SECRET'),
    });
});

test("Resend's own library agrees about what is signed", () => {
  const seconds = Math.floor(Date.now() / 1000);
  const verified = new Resend('re_1').webhooks.verify({
    payload: body,
    headers: { id: 'msg_1', timestamp: String(seconds), signature: sign(body, { time: seconds }) },
    webhookSecret: secret,
  });
  expect(verified).toMatchObject({ type: 'email.delivered' });
});

test('the type of an event tells what it has', () => {
  expectTypeOf<Extract<EmailEvent, { type: 'bounced' }>['permanent']>().toEqualTypeOf<boolean>();
  expectTypeOf<Extract<EmailEvent, { type: 'clicked' }>['link']>().toEqualTypeOf<string>();
});
