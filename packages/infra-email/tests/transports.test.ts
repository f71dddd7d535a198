import { expect, onTestFinished, test } from 'vitest';
import { createEmail, type EmailOptions } from '../src/index.ts';
import { folder } from './folder.ts';
import { ResendServer } from './resend-server.ts';

const EMAIL_FROM = 'App <app@example.com>';
const RESEND_API_KEY = 're_123';
const SMTP_URL = 'smtp://ada:hunter22@localhost:2525';
const refused = (variable: string, text = '') =>
  expect.objectContaining({
    code: 'E_CONFIG',
    message: expect.stringMatching(new RegExp(`${variable} .*${text}`)),
  });

test.each<[string, EmailOptions, string]>([
  ['a key', { env: { RESEND_API_KEY, EMAIL_FROM } }, 'resend'],
  ['a mail server', { env: { SMTP_URL, EMAIL_FROM } }, 'smtp'],
  ['both, and a choice', { env: { RESEND_API_KEY, SMTP_URL, EMAIL_FROM, EMAIL_DRIVER: 'smtp' } }, 'smtp'],
  ['a key, and another choice', { env: { RESEND_API_KEY, EMAIL_DRIVER: 'outbox' } }, 'outbox'],
  ['options alone', { resend: { apiKey: 're_1' }, from: 'a@example.com', env: {} }, 'resend'],
  ['an option for the address', { smtp: { url: SMTP_URL }, env: { EMAIL_FROM } }, 'smtp'],
  ['an option before the variable', { driver: 'outbox', env: { RESEND_API_KEY } }, 'outbox'],
  ['production', { env: { RESEND_API_KEY, EMAIL_FROM, NODE_ENV: 'production' } }, 'resend'],
])('%s chooses the driver', (_, options, expected) => {
  expect(createEmail(options).driver).toBe(expected);
});

test.each<[string, string, string, EmailOptions]>([
  ['two transports and no choice', 'EMAIL_DRIVER', 'resend or smtp', { env: { RESEND_API_KEY, SMTP_URL } }],
  ['Resend without its key', 'RESEND_API_KEY', 'EMAIL_DRIVER is resend', { env: { EMAIL_DRIVER: 'resend' } }],
  ['SMTP without its address', 'SMTP_URL', 'EMAIL_DRIVER is smtp', { driver: 'smtp', env: {} }],
  ['Resend without a sender', 'EMAIL_FROM', 'as resend delivers', { env: { RESEND_API_KEY } }],
  ['SMTP without a sender', 'EMAIL_FROM', 'as smtp delivers', { env: { SMTP_URL } }],
  [
    'a key with a line break',
    'RESEND_API_KEY',
    'line breaks',
    { env: { RESEND_API_KEY: 're_\n1', EMAIL_FROM } },
  ],
  ['another kind of address', 'SMTP_URL', 'smtp://', { env: { SMTP_URL: 'http://hunter22', EMAIL_FROM } }],
  ['an unknown parameter', 'SMTP_URL', 'no parameters but', { env: { SMTP_URL: `${SMTP_URL}?pol=1` } }],
  ['a password alone', 'SMTP_URL', 'both', { env: { SMTP_URL: 'smtp://:hunter22@localhost', EMAIL_FROM } }],
  [
    'a base without a key',
    'RESEND_API_KEY',
    'as RESEND_BASE_URL',
    { env: { RESEND_BASE_URL: 'http://localhost' } },
  ],
  ['a base that is none', 'RESEND_BASE_URL', 'http', { env: { RESEND_BASE_URL: 'api.resend.com' } }],
  ['a sandbox that is no address', 'EMAIL_SANDBOX_TO', 'one address', { env: { EMAIL_SANDBOX_TO: 'qa' } }],
  ['a driver that is none', 'EMAIL_DRIVER', 'one of', { env: { EMAIL_DRIVER: 'resned' } }],
])('%s is one coded error that names the variable and not its value', (_, variable, text, options) => {
  expect(() => createEmail(options)).toThrow(refused(variable, text));
  expect(() => createEmail(options)).not.toThrow(/hunter22|re_/);
});

async function sandbox(options: EmailOptions) {
  const server = await new ResendServer().start();
  onTestFinished(() => server.stop());
  const env = { RESEND_API_KEY: server.apiKey, RESEND_BASE_URL: `${server.url}/`, EMAIL_FROM };
  const email = createEmail({ templates: folder(), ...options, env: { ...env, ...options.env } });
  const result = await email.send('welcome', {
    to: ['Ada <ada@example.com>', 'bob@example.com'],
    cc: 'c@example.com',
    bcc: 'd@example.com',
    headers: { 'X-Ticket': '1', 'x-original-to': 'eve@example.com' },
    data: { name: 'Ada', appName: 'App' },
  });
  await email.close();
  return { result, message: server.taken[0] };
}

test.each<[string, EmailOptions]>([
  ['the variable', { env: { EMAIL_SANDBOX_TO: 'QA <qa@example.com>' } }],
  ['the option', { sandboxTo: 'QA <qa@example.com>', env: {} }],
])('in a sandbox (%s) one address gets every e-mail, which names whom it was for', async (_, options) => {
  const { result, message } = await sandbox(options);
  expect(result).toMatchObject({ status: 'sent', driver: 'resend' });
  expect(message).toMatchObject({
    from: EMAIL_FROM,
    to: ['QA <qa@example.com>'],
    headers: {
      'X-Ticket': '1',
      'X-Original-To': 'ada@example.com, bob@example.com',
      'X-Original-Cc': 'c@example.com',
      'X-Original-Bcc': 'd@example.com',
    },
  });
  expect(Object.keys(message?.headers ?? {})).toHaveLength(4);
  expect(message).not.toHaveProperty('cc');
  expect(message).not.toHaveProperty('bcc');
});

test('without one each e-mail goes where it is meant to', async () => {
  const { message } = await sandbox({ env: {} });
  expect(message).toMatchObject({ to: ['Ada <ada@example.com>', 'bob@example.com'], bcc: ['d@example.com'] });
});

test('the outbox shows each e-mail as it would have been', async () => {
  const email = createEmail({ outbox: folder(), env: { EMAIL_SANDBOX_TO: 'qa@example.com' } });
  await email.send('welcome', { to: 'ada@example.com', data: { name: 'Ada', appName: 'App' } });
  expect(await email.outbox?.list()).toMatchObject([{ to: [{ email: 'ada@example.com' }] }]);
});

test('a library that is not installed is a coded error that says how to get it', async () => {
  const { library } = await import('../src/errors.ts');
  const missing = library('nodemailer', () => Promise.reject(new Error('not found')), {
    neededBy: 'SMTP',
    install: 'pnpm add nodemailer',
  });
  await expect(missing).rejects.toMatchObject({
    code: 'E_EMAIL_LIBRARY',
    message: 'nodemailer, which SMTP needs, cannot be loaded. Install it: pnpm add nodemailer',
  });
});
