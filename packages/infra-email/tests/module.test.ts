import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describeConfig, modulesInUse, shutdown } from '@vibeonrails/infra-core';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { loadedBy, loadedFiles } from '@vibeonrails/vitest-config/examples';
import { afterEach, expect, test } from 'vitest';
import { VERSION } from '../src/config.ts';
import * as root from '../src/index.ts';
import * as testing from '../src/testing.ts';
import { folder } from './folder.ts';

const { configureEmail, createEmail, email, emailHealthCheck, renderEmail, sendEmail } = root;
const home = new URL('..', import.meta.url);
const { signal } = new AbortController();
const welcome = { to: 'user@example.com', data: { name: 'John', appName: 'MyApp' } };
afterEach(resetInfra);

test('the public names stay as they are', () => {
  expect(Object.keys(root).sort()).toMatchInlineSnapshot(`
    [
      "AddressError",
      "AttachmentError",
      "DeliveryError",
      "EmailClosedError",
      "EmailOptionError",
      "FromRequiredError",
      "HeaderError",
      "IdempotencyConflictError",
      "LibraryError",
      "OutboxError",
      "RecipientsError",
      "TemplateDataError",
      "TemplateNameError",
      "TemplateNotFoundError",
      "TemplateSyntaxError",
      "TemplateValueError",
      "UnsafeUrlError",
      "WebhookError",
      "configureEmail",
      "createEmail",
      "email",
      "emailHealthCheck",
      "renderEmail",
      "sendEmail",
      "verifyResendWebhook",
    ]
  `);
  expect(Object.keys(testing).sort()).toMatchInlineSnapshot(`
    [
      "emailDriverSuite",
      "fakeEmail",
      "sampleMessage",
    ]
  `);
});

test('the version is the one of package.json', () => {
  const { version } = JSON.parse(readFileSync(new URL('package.json', home), 'utf8'));
  expect(VERSION).toBe(version);
});

test('importing it loads no library', async () => {
  expect(await loadedBy(home, '@vibeonrails/infra-email')).toEqual([]);
});

test('importing it loads a few small files, and of Node.js only what the core has loaded', async () => {
  const src = fileURLToPath(new URL('src/', home));
  const files = await loadedFiles(home, '@vibeonrails/infra-email');
  const own = files.filter((file) => file.startsWith(src));
  expect(own.map((file) => file.slice(src.length))).toMatchInlineSnapshot(`
    [
      "addresses.ts",
      "client.ts",
      "config.ts",
      "core.ts",
      "delivery-errors.ts",
      "errors.ts",
      "index.ts",
      "module.ts",
    ]
  `);
  const imports = own.flatMap((file) => [
    ...readFileSync(file, 'utf8').matchAll(/^(?:import|\}) (?!type\b).*from '(node:.*)'/gm),
  ]);
  expect(imports.map(([, name]) => name)).toEqual(['node:url', 'node:path']);
});

test('it is in use once imported, and its variables are described', () => {
  expect(modulesInUse().map(({ module }) => module)).toContain('email');
  expect(describeConfig({}).filter((it) => it.package.endsWith('infra-email'))).toMatchObject([
    { variable: 'EMAIL_DRIVER', form: 'one of outbox, resend, smtp', required: false },
    { variable: 'EMAIL_FROM', required: false },
    { variable: 'EMAIL_OUTBOX', default: '.outbox' },
    { variable: 'EMAIL_SANDBOX_TO', required: false },
    { variable: 'EMAIL_TEMPLATES', default: 'emails' },
    { variable: 'RESEND_API_KEY', required: false, secret: true },
    { variable: 'RESEND_BASE_URL', required: false },
    { variable: 'RESEND_WEBHOOK_SECRET', required: false, secret: true },
    { variable: 'SMTP_URL', required: false, secret: true },
  ]);
});

test("the specification's call works in an empty folder", async () => {
  const cwd = folder();
  const code =
    "import { sendEmail } from '@vibeonrails/infra-email';\n\nawait sendEmail('welcome', {\n  to: 'user@example.com',\n  data: { name: 'John', appName: 'MyApp' },\n});";
  const script = fileURLToPath(new URL('tests/specification.ts', home));
  expect(readFileSync(script, 'utf8').trim()).toBe(code);
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const child = spawn(
    process.execPath,
    ['--import', tsx, '--conditions', '@vibeonrails/infra-source', script],
    {
      cwd,
      stdio: 'inherit',
    },
  );
  expect(await once(child, 'close')).toEqual([0, null]);
  const [name = ''] = readdirSync(join(cwd, '.outbox')).filter((it) => it.includes('-welcome-'));
  expect(readFileSync(join(cwd, '.outbox', name, 'message.txt'), 'utf8')).toContain('Welcome, John!');
});

test('the starter templates are in the package', () => {
  const listed = execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: home, encoding: 'utf8' });
  const [{ files }] = JSON.parse(listed) as [{ files: { path: string }[] }];
  expect(files.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['templates/welcome.md', 'templates/receipt.md', 'templates/layouts/default.njk']),
  );
});

test('the default sender is configured once, or replaced on demand', async () => {
  configureEmail({ outbox: join(folder(), 'a') });
  await sendEmail('welcome', welcome);
  expect(() => configureEmail({})).toThrow(expect.objectContaining({ code: 'E_EMAIL_CONFIGURED' }));
  configureEmail({ outbox: join(folder(), 'b'), replace: true });
  expect(await email.outbox?.list()).toEqual([]);
  expect(email.driver).toBe('outbox');
});

test('it reads its folders and its sender from the environment', async () => {
  const templates = folder({ 'it.md': '---\nsubject: Mine\n---\nx' });
  const outbox = join(folder(), 'out');
  const env = { EMAIL_TEMPLATES: templates, EMAIL_OUTBOX: outbox, EMAIL_FROM: 'Me <me@example.com>' };
  const made = createEmail({ env });
  await made.send('it', { to: 'a@example.com' });
  expect(await made.outbox?.list()).toMatchObject([{ subject: 'Mine', from: { name: 'Me' } }]);
  expect(readdirSync(outbox).length).toBe(2);
});

test('a driver that does not exist, or a sender that is none, is one coded error', () => {
  expect(() => createEmail({ env: { EMAIL_DRIVER: 'outbxo' } })).toThrow(
    /EMAIL_DRIVER .* expected one of outbox/,
  );
  expect(() => createEmail({ env: { EMAIL_FROM: 'x' } })).toThrow(
    expect.objectContaining({ code: 'E_EMAIL_ADDRESS' }),
  );
});

test('in production it refuses to write to disk unless that is said to be meant', () => {
  const production = { NODE_ENV: 'production' };
  expect(() => createEmail({ env: production })).toThrow(
    expect.objectContaining({
      code: 'E_EMAIL_DRIVER_REQUIRED',
      message: expect.stringContaining('EMAIL_DRIVER=outbox'),
    }),
  );
  expect(createEmail({ env: { ...production, EMAIL_DRIVER: 'outbox' } }).driver).toBe('outbox');
  expect(createEmail({ env: production, driver: 'outbox' }).driver).toBe('outbox');
});

test('the default sender refuses in production at ready, and each call rejects', async () => {
  const { NODE_ENV } = process.env;
  process.env.NODE_ENV = 'production';
  try {
    for (const call of [
      () => email.ready(),
      () => sendEmail('welcome', welcome),
      () => renderEmail('welcome'),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'E_EMAIL_DRIVER_REQUIRED' });
  } finally {
    process.env.NODE_ENV = NODE_ENV;
  }
});

test('ready loads the libraries and makes the outbox', async () => {
  const outbox = join(folder(), 'out');
  configureEmail({ outbox });
  await email.ready();
  expect(readdirSync(outbox)).toEqual(['.gitignore']);
});

test('its health check writes to the outbox and leaves nothing', async () => {
  const outbox = join(folder(), 'out');
  configureEmail({ outbox });
  expect(await emailHealthCheck()({ signal })).toEqual({ status: 'ok', data: { driver: 'outbox' } });
  expect(readdirSync(outbox)).toEqual(['.gitignore']);
  configureEmail({ outbox: join(folder({ file: '' }), 'file', 'x'), replace: true });
  await expect(emailHealthCheck()({ signal })).rejects.toMatchObject({ code: 'E_EMAIL_OUTBOX' });
});

test('a shutdown closes it', async () => {
  configureEmail({ outbox: join(folder(), 'out') });
  const report = await shutdown('test');
  expect(report.hooks.map(({ name, status }) => [name, status])).toContainEqual(['email', 'done']);
  await expect(sendEmail('welcome', welcome)).rejects.toMatchObject({ code: 'E_EMAIL_CLOSED' });
});
