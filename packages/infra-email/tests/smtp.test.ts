import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '@vibeonrails/infra-core';
import PostalMime from 'postal-mime';
import type { SMTPServerOptions } from 'smtp-server';
import { beforeAll, describe, expect, it, onTestFinished, test } from 'vitest';
import { readSmtpUrl, type SmtpServer } from '../src/config.ts';
import type { DeliveryLimits } from '../src/drivers/attempts.ts';
import { smtpDriver } from '../src/drivers/smtp.ts';
import type { EmailDriver } from '../src/index.ts';
import { emailDriverSuite, sampleMessage } from '../src/testing.ts';
import { MailServer, type Reply } from './smtp-server.ts';

async function start(options: SMTPServerOptions = {}): Promise<MailServer> {
  const server = await new MailServer(options).start();
  onTestFinished(() => server.stop());
  return server;
}

interface Over extends Partial<DeliveryLimits> {
  query?: string;
  scheme?: string;
  user?: string;
}

function over(
  server: MailServer,
  { query = '', scheme = 'smtp', user = '', ...limits }: Over = {},
): EmailDriver {
  const url = `${scheme}://${user}127.0.0.1:${server.port}${query}`;
  const read = readSmtpUrl(url) as SmtpServer;
  expect(read).toBeTypeOf('object');
  const driver = smtpDriver({
    server: read,
    timeout: 20_000,
    deadline: 40_000,
    clock: systemClock,
    ...limits,
  });
  onTestFinished(() => driver.close());
  return driver;
}

for (const query of ['', '?pool=2'])
  emailDriverSuite({ describe, it }, `smtp${query}`, async () => {
    const server = await start();
    const subjects = async (): Promise<string[]> =>
      Promise.all(server.letters.map(async ({ raw }) => (await PostalMime.parse(raw)).subject ?? ''));
    return { driver: over(server, { query }), taken: subjects };
  });

const never = new AbortController().signal;
const key = (idempotencyKey: string, signal = never) => ({ idempotencyKey, signal });
const plain = { attachments: [] };

test('the message goes to all, names no bcc, and carries the id it is answered with', async () => {
  const server = await start();
  const { id } = await over(server).send(
    sampleMessage({ cc: [{ email: 'c@example.com' }], bcc: [{ email: 'b@example.com' }] }),
    key('welcome/42'),
  );
  expect(server.letters).toMatchObject([
    { from: 'hello@example.com', to: ['zoe@example.com', 'c@example.com', 'b@example.com'] },
  ]);
  const raw = server.letters[0]?.raw ?? '';
  expect(raw).not.toContain('b@example.com');
  const parsed = await PostalMime.parse(raw);
  expect(parsed.messageId).toBe(`<${id}>`);
  expect(parsed).toMatchObject({ subject: 'Välkommen 🎉', from: { name: 'My App' } });
  expect(parsed.attachments[0]?.content).toEqual(new Uint8Array([0, 13, 10, 255]).buffer);
});

test('the id comes from the key, so that another process gives a second copy the same one', async () => {
  const server = await start();
  const ids: string[] = [];
  for (const it of ['a', 'a', 'b']) ids.push((await over(server).send(sampleMessage(), key(it))).id);
  expect(ids[0]).toBe(ids[1]);
  expect(ids[2]).not.toBe(ids[0]);
});

test('a retry sends the same bytes, whatever the time', async () => {
  const server = await start();
  server.messages.push([421, 'going down'], [421, 'going down']);
  let now = Date.now();
  const clock = { ...systemClock, now: () => (now += 60_000) };
  const content = new Uint8Array([1, 2, 3]);
  const message = sampleMessage({ attachments: [{ filename: 'a', content, contentType: 'a/b' }] });
  const sending = over(server, { clock, deadline: 36_000_000 }).send(message, key('k'));
  while (server.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  content.fill(9);
  await sending;
  expect(server.seen).toHaveLength(3);
  expect(new Set(server.seen).size).toBe(1);
  expect(server.letters).toHaveLength(1);
});

describe('what the server replies becomes one coded error', () => {
  const later = { code: 'E_EMAIL_UNAVAILABLE', retryable: true };
  const refused = { code: 'E_EMAIL_REJECTED', retryable: false };
  it.each<[string, 'recipients' | 'messages', Reply, object]>([
    ['greylisting', 'recipients', [451, '4.7.1 try later'], { ...later, status: 451 }],
    ['a full mailbox', 'recipients', [452, 'full'], later],
    ['no such mailbox', 'recipients', [550, 'no such user'], { ...refused, status: 550 }],
    ['a message put off', 'messages', [450, 'later'], later],
    ['a message refused', 'messages', [554, 'spam'], refused],
    ['a sender who has to log in', 'recipients', [530, 'log in'], { code: 'E_EMAIL_AUTH', retryable: false }],
  ])('%s', async (_, where, reply, expected) => {
    const server = await start();
    server[where].push(reply);
    const driver = over(server);
    await expect(driver.send(sampleMessage(), key('k'))).rejects.toMatchObject(expected);
    expect(server.letters).toEqual([]);
    expect(server.connections).toBe(1);
    await driver.send(sampleMessage(), key('k'));
    expect(server.letters).toHaveLength(1);
  });
});

test('some recipients refused is an error that names them, and the others get it once', async () => {
  const server = await start();
  server.recipients.push(undefined, [550, 'no such user']);
  const message = sampleMessage({ cc: [{ email: 'gone@example.com' }] });
  const driver = over(server);
  for (let tries = 0; tries < 2; tries += 1)
    await expect(driver.send(message, key('k'))).rejects.toMatchObject({
      code: 'E_EMAIL_PARTIAL',
      retryable: false,
      rejected: ['gone@example.com'],
      message: expect.stringContaining('1 of 2 recipients: g***@example.com'),
    });
  expect(server.letters.map(({ to }) => to)).toEqual([['zoe@example.com']]);
});

describe.each(['', '?pool=1'])('a connection that ends %s', (query) => {
  const big = { filename: 'a', content: new Uint8Array(3_000_000), contentType: 'a/b' };
  it.each<['drop-within' | 'take-and-drop' | 'silence']>([['drop-within'], ['take-and-drop'], ['silence']])(
    '%s: the outcome is unknown, and nothing is repeated behind the caller’s back',
    async (what) => {
      const server = await start();
      server.messages.push(what);
      const driver = over(server, { query, timeout: 3_000 });
      const sending = driver.send(sampleMessage({ attachments: [big] }), key('k'));
      await expect(sending).rejects.toMatchObject({ code: 'E_EMAIL_UNKNOWN_OUTCOME', retryable: true });
      expect(server.connections).toBe(1);
      await driver.send(sampleMessage(plain), key('l'));
      expect(server.connections).toBe(2);
    },
  );
});

test('aborted on the way, it ends with the reason', async () => {
  const server = await start();
  server.messages.push('silence');
  const controller = new AbortController();
  const reason = new Error('changed my mind');
  const sending = over(server).send(sampleMessage(), key('k', controller.signal));
  sending.catch(() => undefined);
  while (server.messages.length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  controller.abort(reason);
  await expect(sending).rejects.toBe(reason);
});

test('gone at the start, gone in between, and back: coded errors, and no restart', async () => {
  const server = await start();
  await server.stop();
  const driver = over(server, { query: '?pool=1', deadline: 3_000 });
  const gone = { code: 'E_EMAIL_UNAVAILABLE', retryable: true };
  await expect(driver.ready()).rejects.toMatchObject(gone);
  await expect(driver.send(sampleMessage(), key('a'))).rejects.toMatchObject(gone);
  await server.start();
  await driver.ready();
  await driver.send(sampleMessage(), key('a'));
  await server.stop();
  await expect(driver.check(never)).rejects.toMatchObject(gone);
  await expect(driver.send(sampleMessage(), key('b'))).rejects.toMatchObject(gone);
  const patient = over(server).send(sampleMessage(), key('c'));
  setTimeout(() => void server.start(), 400);
  await patient;
  await driver.send(sampleMessage(), key('b'));
  expect(server.letters).toHaveLength(3);
});

test('a kept connection carries many messages', async () => {
  const server = await start();
  const driver = over(server, { query: '?pool=1' });
  for (const it of ['a', 'b', 'c']) await driver.send(sampleMessage(), key(it));
  expect([server.connections, server.letters.length]).toEqual([1, 3]);
});

test('a kept connection that the server ended meanwhile is replaced', async () => {
  const server = await start();
  const driver = over(server, { query: '?pool=1' });
  await driver.send(sampleMessage(), key('a'));
  server.hangUp();
  await driver.send(sampleMessage(), key('b'));
  expect([server.connections, server.letters.length]).toEqual([2, 2]);
});

describe('a user and a password', () => {
  test('are given to the server', async () => {
    const server = await start({ authOptional: false });
    await over(server, { user: 'ada:p%40ss%3Aword@' }).send(sampleMessage(), key('k'));
    expect(server.letters).toMatchObject([{ user: 'ada' }]);
  });
  test('that are wrong are one coded error without the password', async () => {
    const server = await start({ authOptional: false });
    const driver = over(server, { user: 'ada:hunter22@' });
    for (const call of [driver.ready(), driver.check(never), driver.send(sampleMessage(), key('k'))])
      await expect(call).rejects.toMatchObject({
        code: 'E_EMAIL_AUTH',
        retryable: false,
        message: expect.not.stringContaining('hunter22'),
      });
  });
});

describe('TLS', () => {
  let ca = '';
  let pair: { key: Buffer; cert: Buffer };
  beforeAll(async () => {
    const home = await mkdtemp(join(tmpdir(), 'infra-email-'));
    const [key, cert] = [join(home, 'tls.key'), join(home, 'tls.crt')];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const args = ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert];
    await promisify(execFile)('openssl', args);
    ca = cert;
    pair = { key: await readFile(key), cert: await readFile(cert) };
    return () => rm(home, { recursive: true, force: true });
  });
  const trusted = () => `ca=${encodeURIComponent(ca)}`;

  it.each([
    ['smtps', true, ''],
    ['smtp', false, '&tls=required'],
    ['smtp', false, ''],
  ])('%s (%s) trusts the authority that the URL names %s', async (scheme, secure, more) => {
    const server = await start({ ...pair, secure });
    const driver = over(server, { scheme, query: `?${trusted()}${more}` });
    await driver.ready();
    await driver.send(sampleMessage(), key('k'));
    expect(server.letters).toMatchObject([{ secure: true }]);
  });
  it.each([
    ['smtps', true, () => ''],
    ['smtp', false, () => ''],
    ['smtps', true, () => `?${trusted()}&servername=other.example`],
    ['smtps', true, () => '?ca=/nowhere/ca.pem'],
  ])('%s (%s) refuses a certificate that it has no reason to trust', async (scheme, secure, query) => {
    const server = await start({ ...pair, secure });
    const driver = over(server, { scheme, query: query() });
    const refused = { code: 'E_EMAIL_TLS', retryable: false };
    await expect(driver.ready()).rejects.toMatchObject(refused);
    await expect(driver.send(sampleMessage(), key('k'))).rejects.toMatchObject(refused);
    expect(server.letters).toEqual([]);
  });
  test('that is required and not offered is a coded error, and no password is sent', async () => {
    const server = await start();
    const driver = over(server, { user: 'ada:p%40ss%3Aword@', query: '?tls=required' });
    await expect(driver.send(sampleMessage(), key('k'))).rejects.toMatchObject({ code: 'E_EMAIL_TLS' });
  });
});

describe('an SMTP address', () => {
  it.each<[string, Partial<SmtpServer>]>([
    ['smtp://mail.example.com', { host: 'mail.example.com', port: 587, secure: false, tls: 'optional' }],
    ['smtps://mail.example.com', { port: 465, secure: true }],
    ['smtp://u:p@mail.example.com:2525', { port: 2525, user: 'u', password: 'p', tls: 'required' }],
    ['smtp://u:p@localhost', { tls: 'optional' }],
    ['smtp://u:p@mail.example.com?tls=off&pool=true&name=me', { tls: 'off', pool: 5, name: 'me' }],
    ['smtp://u%40x:p%25@[::1]/?servername=s', { host: '::1', user: 'u@x', password: 'p%', servername: 's' }],
  ])('%s', (text, expected) => {
    expect(readSmtpUrl(text)).toMatchObject(expected);
  });
  it.each([
    'smtp://',
    'http://mail.example.com',
    'smtp://mail.example.com/inbox',
    'smtp://mail.example.com?tls.rejectUnauthorized=false',
    'smtp://mail.example.com?tls=maybe',
    'smtps://mail.example.com?tls=off',
    'smtp://mail.example.com?pool=many',
    'smtp://user@mail.example.com',
    'smtp://u:100%@mail.example.com',
  ])('%s is refused', (text) => {
    expect(readSmtpUrl(text)).toBeTypeOf('string');
  });
});
