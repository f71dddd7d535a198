import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemClock } from '@vibeonrails/infra-core';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { resendDriver } from '../src/drivers/resend.ts';
import type { EmailDriver } from '../src/index.ts';
import { emailDriverSuite, sampleMessage } from '../src/testing.ts';
import { folder } from './folder.ts';
import { type Fault, ResendServer, reply } from './resend-server.ts';

const limits = { timeout: 20_000, deadline: 40_000, clock: systemClock };
const over = (server: ResendServer, changes: object = {}): EmailDriver =>
  resendDriver({ apiKey: server.apiKey, baseUrl: server.url, ...limits, ...changes });

async function start(...faults: Fault[]): Promise<ResendServer> {
  const server = await new ResendServer().start();
  server.faults.push(...faults);
  onTestFinished(() => server.stop());
  return server;
}

emailDriverSuite({ describe, it }, 'resend', async () => {
  const server = await start();
  return { driver: over(server), taken: async () => server.taken.map(({ subject }) => String(subject)) };
});

const never = new AbortController().signal;
const key = (idempotencyKey: string, signal = never) => ({ idempotencyKey, signal });
const say =
  (status: number, body: unknown, headers: Record<string, string> = {}): Fault =>
  (_, response) =>
    reply(response, status, body, headers);
const refusal = (statusCode: number, name: string, headers: Record<string, string> = {}): Fault =>
  say(statusCode, { statusCode, name, message: `about ${name}` }, headers);
const drop: Fault = (_, response) => void response.destroy();
/** It is taken over, and the answer is lost. */
const takeAndDrop: Fault = (_, response, usual) => {
  response.end = (() => {
    response.destroy();
    return response;
  }) as typeof response.end;
  usual();
};
const silence: Fault = () => undefined;

test('a message has the form that Resend wants', async () => {
  const server = await start();
  await over(server).send(
    sampleMessage({
      cc: [{ email: 'c@example.com' }],
      bcc: [{ name: 'Bo Doe', email: 'b@example.com' }],
      replyTo: [{ email: 'r@example.com' }],
      attachments: [
        { filename: 'a.txt', content: new Uint8Array([0, 255]), contentType: 'text/plain' },
        { filename: 'l.png', content: new Uint8Array([1]), contentType: 'image/png', cid: 'logo' },
      ],
    }),
    key('k-1'),
  );
  expect(server.requests.at(-1)).toMatchObject({ path: '/emails', key: 'k-1' });
  const { html, ...rest } = server.taken[0] ?? {};
  expect(html).toContain('<p>Hi</p>');
  expect(rest).toEqual({
    from: 'My App <hello@example.com>',
    to: ['"Zoë \\"Z\\", Łoś" <zoe@example.com>'],
    cc: ['c@example.com'],
    bcc: ['Bo Doe <b@example.com>'],
    reply_to: ['r@example.com'],
    subject: 'Välkommen 🎉',
    text: 'Hi\n',
    headers: { 'X-Ticket': '42' },
    tags: [{ name: 'kind', value: 'welcome' }],
    attachments: [
      { filename: 'a.txt', content: 'AP8=', content_type: 'text/plain' },
      { filename: 'l.png', content: 'AQ==', content_type: 'image/png', content_id: 'logo' },
    ],
  });
});

test('what is empty is left out', async () => {
  const server = await start();
  await over(server).send(sampleMessage({ headers: {}, tags: {}, attachments: [] }), key('k'));
  expect(Object.keys(server.taken[0] ?? {}).sort()).toEqual(['from', 'html', 'subject', 'text', 'to']);
});

describe('a failure that may pass is tried again with the same key and the same bytes', () => {
  it.each<[string, Fault]>([
    ['too many requests', refusal(429, 'rate_limit_exceeded')],
    ['a failure of Resend', refusal(500, 'internal_server_error')],
    ['a gateway without a backend, in HTML', say(503, '<h1>Unavailable</h1>')],
    ['a gateway that gave up waiting', say(504, '')],
    ['another call with this key under way', refusal(409, 'concurrent_idempotent_requests')],
    ['a dropped connection', drop],
    ['an answer that is lost', takeAndDrop],
    ['an answer that is no JSON', say(200, '{"id":')],
    ['an answer without an id', say(200, {})],
    ['an answer that is null', say(200, 'null')],
    ['an error of no known form', say(502, { error: 'bad gateway' })],
    ['an error that is null', say(500, 'null')],
    ['no answer', silence],
  ])('%s', async (_, fault) => {
    const server = await start(fault);
    const content = new Uint8Array([1, 2, 3]);
    const sample = sampleMessage({ attachments: [{ filename: 'a', content, contentType: 'a/b' }] });
    const sending = over(server, { timeout: 3_000 }).send(sample, key('k'));
    while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    content.fill(9);
    expect(await sending).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    const [first, second, ...more] = server.requests;
    expect(second).toEqual(first);
    expect(more).toEqual([]);
    expect(server.taken).toHaveLength(1);
  });
});

describe('a failure that stays is one coded error at once', () => {
  it.each<[string, Fault, object]>([
    [
      'validation',
      refusal(422, 'validation_error'),
      { code: 'E_EMAIL_REJECTED', status: 422, retryable: false },
    ],
    ['a domain that is not verified', refusal(403, 'validation_error'), { code: 'E_EMAIL_REJECTED' }],
    ['a wrong key', refusal(403, 'invalid_api_key'), { code: 'E_EMAIL_AUTH', retryable: false }],
    ['a key that may not send', refusal(401, 'restricted_api_key'), { code: 'E_EMAIL_AUTH' }],
    ['a daily quota', refusal(429, 'daily_quota_exceeded'), { code: 'E_EMAIL_QUOTA', retryable: true }],
    ['a monthly quota', refusal(429, 'monthly_quota_exceeded'), { code: 'E_EMAIL_QUOTA' }],
    ['a used key', refusal(409, 'invalid_idempotent_request'), { code: 'E_EMAIL_IDEMPOTENCY' }],
    ['an address that is none of Resend’s', say(404, '<h1>Nothing</h1>'), { code: 'E_EMAIL_REJECTED' }],
  ])('%s', async (_, fault, expected) => {
    const server = await start(fault);
    await expect(over(server).send(sampleMessage(), key('k'))).rejects.toMatchObject(expected);
    expect(server.requests).toHaveLength(1);
  });
});

test('what Resend says is in the message, on one line; the key never is', async () => {
  const server = await start();
  server.faults.push(
    say(422, {
      statusCode: 422,
      name: 'validation_error',
      message: `no\r\n${server.apiKey} ${'x'.repeat(999)}`,
    }),
  );
  const error: Error = await over(server)
    .send(sampleMessage(), key('k'))
    .then(
      () => new Error('sent'),
      (it) => it,
    );
  expect(error.message).toMatch(/^Resend says: no … x+….*/);
  expect(error.message.length).toBeLessThan(500);
  const wrong = over(server, { apiKey: 're_wrong_secret' }).send(sampleMessage(), key('k'));
  await expect(wrong).rejects.toMatchObject({ message: expect.not.stringContaining('re_wrong_secret') });
});

test('it waits as long as it is told', async () => {
  const server = await start(refusal(429, 'rate_limit_exceeded', { 'retry-after': '1' }));
  const before = Date.now();
  await over(server).send(sampleMessage(), key('k'));
  expect(Date.now() - before).toBeGreaterThanOrEqual(990);
});

test('told to wait beyond the deadline, it says so at once', async () => {
  const until = new Date(Date.now() + 3_600_000).toUTCString();
  const server = await start(
    refusal(429, 'rate_limit_exceeded', { 'retry-after': '60' }),
    refusal(503, 'application_error', { 'retry-after': until }),
  );
  const driver = over(server);
  await expect(driver.send(sampleMessage(), key('a'))).rejects.toMatchObject({
    code: 'E_EMAIL_RATE_LIMITED',
    retryable: true,
    retryAfter: 60_000,
  });
  const later = driver.send(sampleMessage(), key('b'));
  await expect(later).rejects.toMatchObject({ code: 'E_EMAIL_UNAVAILABLE', status: 503 });
  const { retryAfter } = await later.catch((it) => it);
  expect(retryAfter).toBeGreaterThan(3_500_000);
});

test('without an answer it ends at the deadline, and says that the outcome is unknown', async () => {
  const server = await start(...Array.from({ length: 50 }, () => silence));
  const before = Date.now();
  const sending = over(server, { timeout: 500, deadline: 4_000 }).send(sampleMessage(), key('k'));
  await expect(sending).rejects.toMatchObject({ code: 'E_EMAIL_UNKNOWN_OUTCOME', retryable: true });
  expect(Date.now() - before).toBeLessThan(20_000);
  expect(server.requests.length).toBeGreaterThan(1);
});

test('a refusal after an answer that was lost leaves the outcome unknown', async () => {
  const busy = refusal(429, 'rate_limit_exceeded', { 'retry-after': '99' });
  const server = await start(takeAndDrop, busy);
  const sending = over(server).send(sampleMessage(), key('k'));
  await expect(sending).rejects.toMatchObject({ code: 'E_EMAIL_UNKNOWN_OUTCOME', retryAfter: 99_000 });
  expect(server.taken).toHaveLength(1);
});

test('aborted while it waits for an answer or for the next try, it ends with the reason', async () => {
  for (const fault of [silence, refusal(429, 'rate_limit_exceeded', { 'retry-after': '30' })]) {
    const server = await start(fault);
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    const sending = over(server).send(sampleMessage(), key('k', controller.signal));
    sending.catch(() => undefined);
    while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const before = Date.now();
    setTimeout(() => controller.abort(reason), 50);
    await expect(sending).rejects.toBe(reason);
    expect(Date.now() - before).toBeLessThan(15_000);
    expect(server.requests).toHaveLength(1);
  }
});

test('gone at the start, gone in between, and back: coded errors, and no restart', async () => {
  const server = await start();
  await server.stop();
  const driver = over(server, { deadline: 3_000 });
  await expect(driver.ready()).rejects.toMatchObject({ code: 'E_EMAIL_UNAVAILABLE', retryable: true });
  const lost = { code: 'E_EMAIL_UNKNOWN_OUTCOME', retryable: true };
  await expect(driver.send(sampleMessage({ subject: 'a' }), key('a'))).rejects.toMatchObject(lost);
  await server.start();
  await driver.ready();
  await driver.send(sampleMessage({ subject: 'a' }), key('a'));
  await server.stop();
  await expect(driver.check(never)).rejects.toMatchObject({ code: 'E_EMAIL_UNAVAILABLE' });
  await expect(driver.send(sampleMessage({ subject: 'b' }), key('b'))).rejects.toMatchObject(lost);
  const patient = over(server).send(sampleMessage({ subject: 'c' }), key('c'));
  setTimeout(() => void server.start(), 400);
  await patient;
  await driver.send(sampleMessage({ subject: 'b' }), key('b'));
  expect(server.taken.map(({ subject }) => subject)).toEqual(['a', 'c', 'b']);
});

test('ready and check know a wrong key, and take one that may only send', async () => {
  const server = await start();
  const wrong = over(server, { apiKey: 're_wrong' });
  await expect(wrong.ready()).rejects.toMatchObject({ code: 'E_EMAIL_AUTH', retryable: false });
  await expect(wrong.check(never)).rejects.toMatchObject({ code: 'E_EMAIL_AUTH' });
  server.restricted = true;
  await over(server).ready();
  await over(server).check(never);
});

test('a process that waits for its next try does not end before', async () => {
  const server = await start(refusal(429, 'rate_limit_exceeded', { 'retry-after': '1' }));
  const home = folder();
  const script = join(home, 'it.mts');
  const entry = new URL('../src/index.ts', import.meta.url).href;
  const data = "{ name: 'Ada', appName: 'App' }";
  writeFileSync(
    script,
    `import { sendEmail } from '${entry}';\nawait sendEmail('welcome', { to: 'a@example.com', data: ${data} });\n`,
  );
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const child = spawn(
    process.execPath,
    ['--import', tsx, '--conditions', '@vibeonrails/infra-source', script],
    {
      cwd: home,
      stdio: 'ignore',
      env: {
        ...process.env,
        RESEND_API_KEY: server.apiKey,
        RESEND_BASE_URL: server.url,
        EMAIL_FROM: 'App <app@example.com>',
      },
    },
  );
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(server.taken).toMatchObject([{ from: 'App <app@example.com>', to: ['a@example.com'] }]);
});
