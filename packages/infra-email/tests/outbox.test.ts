import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { runWithContext } from '@vibeonrails/infra-core';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import PostalMime from 'postal-mime';
import { describe, expect, it, test } from 'vitest';
import { outboxDriver } from '../src/drivers/outbox.ts';
import { createEmail } from '../src/index.ts';
import { emailDriverSuite, sampleMessage } from '../src/testing.ts';
import { folder } from './folder.ts';

emailDriverSuite({ describe, it }, 'outbox', () => {
  const driver = outboxDriver({ folder: join(folder(), 'out'), clock: fakeClock() });
  return {
    driver,
    taken: async () => (await driver.list()).map(({ subject }) => subject).reverse(),
  };
});

const signal = new AbortController().signal;
const key = (idempotencyKey: string) => ({ idempotencyKey, signal });

test('a message is four files in a folder named by time, template and id', async () => {
  const home = folder();
  const outbox = outboxDriver({ folder: join(home, 'out'), clock: fakeClock() });
  const { id, previewPath = '' } = await outbox.send(
    sampleMessage({ template: 'billing/receipt', bcc: [{ email: 'b@example.com' }] }),
    key('k'),
  );
  const [name = '', ...rest] = readdirSync(join(home, 'out')).filter((it) => it !== '.gitignore');
  expect(rest).toEqual([]);
  expect(name).toBe(`2026-01-01T00-00-00-000Z-billing-receipt-${id}`);
  expect(previewPath).toBe(join(home, 'out', name, 'index.html'));
  const file = (it: string) => readFileSync(join(home, 'out', name, it), 'utf8');
  expect(readdirSync(dirname(previewPath)).sort()).toEqual([
    'index.html',
    'message.eml',
    'message.txt',
    'meta.json',
  ]);
  expect(file('index.html')).toContain('<p>Hi</p>');
  expect(file('message.txt')).toBe('Hi\n');
  expect((await PostalMime.parse(file('message.eml'))).subject).toBe('Välkommen 🎉');
  expect(JSON.parse(file('meta.json'))).toMatchObject({
    id,
    createdAt: '2026-01-01T00:00:00.000Z',
    template: 'billing/receipt',
    bcc: [{ email: 'b@example.com' }],
    attachments: [{ filename: 'a.txt', bytes: 4 }],
    idempotencyKey: 'k',
  });
});

test('it keeps itself out of version control', async () => {
  const home = folder();
  await outboxDriver({ folder: join(home, 'out') }).ready();
  expect(readFileSync(join(home, 'out', '.gitignore'), 'utf8')).toBe('*\n');
  // A folder that was there before may hold what belongs under version control.
  await outboxDriver({ folder: home }).ready();
  expect(existsSync(join(home, '.gitignore'))).toBe(false);
});

test('list gives the newest first, read gives all of one', async () => {
  const outbox = outboxDriver({ folder: join(folder(), 'out'), clock: fakeClock() });
  expect(await outbox.list()).toEqual([]);
  for (const subject of ['a', 'b', 'c']) await outbox.send(sampleMessage({ subject }), key(subject));
  const entries = await outbox.list();
  expect(entries.map(({ subject }) => subject)).toEqual(['c', 'b', 'a']);
  expect((await outbox.list({ limit: 1 })).map(({ subject }) => subject)).toEqual(['c']);
  const message = await outbox.read(entries[1]?.id ?? '');
  expect(message).toMatchObject({ subject: 'b', text: 'Hi\n', previewPath: entries[1]?.previewPath });
  expect(message.html).toContain('<p>Hi</p>');
  expect(message.eml).toContain('MIME-Version: 1.0');
  expect(message).not.toHaveProperty('digest');
  for (const id of ['none', '', '../..', '.*'])
    await expect(outbox.read(id)).rejects.toMatchObject({ code: 'E_EMAIL_OUTBOX' });
});

test('the oldest messages go when there are more than it keeps', async () => {
  const outbox = outboxDriver({ folder: join(folder(), 'out'), keep: 3, clock: fakeClock() });
  for (const subject of ['a', 'b', 'c', 'd', 'e'])
    await outbox.send(sampleMessage({ subject }), key(subject));
  expect((await outbox.list()).map(({ subject }) => subject)).toEqual(['e', 'd', 'c']);
});

test('it comes back when somebody deletes it', async () => {
  const home = join(folder(), 'out');
  const outbox = outboxDriver({ folder: home, clock: fakeClock() });
  await outbox.send(sampleMessage({ subject: 'a' }), key('a'));
  rmSync(home, { recursive: true });
  expect(await outbox.list()).toEqual([]);
  await outbox.send(sampleMessage({ subject: 'b' }), key('b'));
  expect((await outbox.list()).map(({ subject }) => subject)).toEqual(['b']);
});

test('it never touches what is not its own', async () => {
  const home = folder({ 'notes.txt': 'mine', 'photos/a.png': 'mine' });
  const outbox = outboxDriver({ folder: home, keep: 1, clock: fakeClock() });
  for (const subject of ['a', 'b']) await outbox.send(sampleMessage({ subject }), key(subject));
  expect((await outbox.list()).map(({ subject }) => subject)).toEqual(['b']);
  expect(existsSync(join(home, 'notes.txt')) && existsSync(join(home, 'photos/a.png'))).toBe(true);
});

test('the same key still counts for a later process, whatever else was sent', async () => {
  const home = join(folder(), 'out');
  const first = await outboxDriver({ folder: home }).send(sampleMessage(), key('welcome/42'));
  await outboxDriver({ folder: home }).send(sampleMessage(), key('welcome/43'));
  const again = await outboxDriver({ folder: home }).send(sampleMessage(), key('welcome/42'));
  expect(again).toEqual(first);
  expect(readdirSync(home)).toHaveLength(3);
});

test('what a process that died left unfinished is not a message, and goes after an hour', async () => {
  const home = folder();
  const [old, fresh] = ['.unfinished-old', '.unfinished-fresh'].map((name) => join(home, name)) as [
    string,
    string,
  ];
  for (const path of [old, fresh]) {
    mkdirSync(path);
    writeFileSync(join(path, 'index.html'), 'half');
  }
  const before = Date.now() / 1000 - 7200;
  utimesSync(old, before, before);
  const outbox = outboxDriver({ folder: home });
  await outbox.ready();
  expect(await outbox.list()).toEqual([]);
  expect(readdirSync(home).map((name) => basename(name))).toEqual(['.unfinished-fresh']);
});

test('attached images are shown in the preview, and only there', async () => {
  const outbox = outboxDriver({ folder: join(folder(), 'out') });
  const image = {
    filename: 'l.png',
    content: new Uint8Array([1, 2, 3]),
    contentType: 'image/png',
    cid: 'logo',
  };
  const html = '<img src="cid:logo" alt=""><img src="cid:logo2" alt="">';
  const { id } = await outbox.send(sampleMessage({ html, attachments: [image] }), key('k'));
  const message = await outbox.read(id);
  expect(message.html).toBe('<img src="data:image/png;base64,AQID" alt=""><img src="cid:logo2" alt="">');
  expect((await PostalMime.parse(message.eml)).html?.trim()).toBe(html);
});

test('it remembers the trace and the request', async () => {
  const outbox = outboxDriver({ folder: join(folder(), 'out') });
  const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
  await runWithContext({ trace, requestId: 'r-1' }, () => outbox.send(sampleMessage(), key('k')));
  expect((await outbox.list())[0]).toMatchObject({ traceId: trace.traceId, requestId: 'r-1' });
});

test('a folder that cannot be made is one coded error, at ready and at each use, until it can', async () => {
  const home = folder({ file: 'in the way' });
  const outbox = outboxDriver({ folder: join(home, 'file', 'out') });
  const refused = { code: 'E_EMAIL_OUTBOX', message: expect.stringContaining(join(home, 'file')) };
  await expect(outbox.ready()).rejects.toMatchObject(refused);
  await expect(outbox.check(signal)).rejects.toMatchObject(refused);
  await expect(outbox.send(sampleMessage(), key('k'))).rejects.toMatchObject(refused);
});

test('a sender on the outbox answers with the page to look at, and needs no from', async () => {
  const home = folder();
  const email = createEmail({ outbox: join(home, 'out'), templates: home, env: {} });
  const result = await email.send('welcome', {
    to: 'ada@example.com',
    data: { name: 'Ada', appName: 'App' },
  });
  expect(result).toMatchObject({ status: 'outbox', id: expect.stringMatching(/^[0-9a-f]{16}$/) });
  expect(result.status === 'outbox' && readFileSync(result.previewPath, 'utf8')).toContain('Welcome, Ada!');
  expect(await email.outbox?.list()).toMatchObject([
    { to: [{ email: 'ada@example.com' }], from: { name: 'Outbox', email: 'outbox@localhost' } },
  ]);
});
