import PostalMime from 'postal-mime';
import { describe, expect, it, test } from 'vitest';
import type { RenderedEmail } from '../src/index.ts';
import { toMime } from '../src/mime.ts';
import { sampleMessage } from '../src/testing.ts';

const DATE = Date.UTC(2026, 10, 22, 12, 30, 5);
const write = (changes: Partial<RenderedEmail> = {}): string =>
  toMime(sampleMessage({ attachments: [], ...changes }), { date: DATE, id: 'abc' });
const read = (changes: Partial<RenderedEmail> = {}) => PostalMime.parse(write(changes));

test('an independent parser reads back what was written', async () => {
  const html = `<p>Grüße ${'lang '.repeat(500)}</p>\n.\n`;
  const parsed = await read({
    html,
    text: 'Grüße\n.\nFrom here\n',
    cc: [{ email: 'c@example.com' }],
    replyTo: [{ name: 'Help, please', email: 'help@example.com' }],
  });
  expect(parsed.from).toEqual({ name: 'My App', address: 'hello@example.com' });
  expect(parsed.to).toEqual([{ name: 'Zoë "Z", Łoś', address: 'zoe@example.com' }]);
  expect(parsed.cc).toEqual([{ name: '', address: 'c@example.com' }]);
  expect(parsed.replyTo).toEqual([{ name: 'Help, please', address: 'help@example.com' }]);
  expect(parsed.subject).toBe('Välkommen 🎉');
  expect(parsed.date).toBe('2026-11-22T12:30:05.000Z');
  expect(parsed.messageId).toBe('<abc@example.com>');
  expect(parsed.html?.trimEnd()).toBe(html.trimEnd());
  expect(parsed.text?.trimEnd()).toBe('Grüße\n.\nFrom here');
  expect(parsed.headers.find(({ key }) => key === 'x-ticket')?.value).toBe('42');
});

test('hidden recipients are not in it', () => {
  expect(write({ bcc: [{ email: 'hidden@example.com' }] })).not.toMatch(/hidden|bcc/i);
});

describe('a subject comes back as it was', () => {
  it.each([
    'Plain',
    '',
    'x'.repeat(300),
    `${'word '.repeat(60)}end`,
    'ü'.repeat(200),
    '🎉'.repeat(60),
    'Looks =?utf-8?B?SGk=?= encoded',
    'two  blanks  in it',
    'Ünï mixed with a long tail of plain words that goes on and on and on and on and on',
    `${'a'.repeat(70)} ${'b'.repeat(80)}`,
    '日本語の件名です。とても長い件名なので、何行かに分かれます。それでも同じままです。',
  ])('%s', async (subject) => {
    expect((await read({ subject })).subject ?? '').toBe(subject);
  });
});

describe('a name comes back as it was', () => {
  it.each([
    'Ada',
    'A. "B" \\ C',
    'Lovelace, Ada',
    'Zoë',
    '<b>@;:',
    '=?utf-8?B?SGk=?=',
    'n'.repeat(200),
    '🎉 Party',
  ])('%s', async (name) => {
    const parsed = await read({ to: [{ name, email: 'a@example.com' }, { email: 'b@example.com' }] });
    expect(parsed.to?.map((it) => it.address)).toEqual(['a@example.com', 'b@example.com']);
    expect(parsed.to?.[0]?.name).toBe(name);
  });
});

describe('an attachment comes back byte for byte under its name', () => {
  it.each([
    'a.txt',
    'with "quotes" \\ and; more.txt',
    'Rechnung für Zoë.pdf',
    "it's (1)* 100%.txt",
    `${'ü'.repeat(120)}.pdf`,
    `${'x'.repeat(150)}.pdf`,
    '請求書.pdf',
  ])('%s', async (filename) => {
    const content = Uint8Array.from({ length: 1000 }, (_, i) => i % 256);
    const parsed = await read({ attachments: [{ filename, content, contentType: 'application/pdf' }] });
    expect(parsed.attachments).toHaveLength(1);
    expect(parsed.attachments[0]).toMatchObject({
      filename,
      mimeType: 'application/pdf',
      disposition: 'attachment',
    });
    expect(new Uint8Array(parsed.attachments[0]?.content as ArrayBuffer)).toEqual(content);
  });
});

test('a shown attachment stands beside the HTML with its id, a file behind both', async () => {
  const content = new Uint8Array([1, 2, 3]);
  const changes = {
    attachments: [
      { filename: 'terms.pdf', content, contentType: 'application/pdf' },
      { filename: 'logo.png', content, contentType: 'image/png', cid: 'logo' },
    ],
  };
  const { attachments, html, text } = await read(changes);
  expect(attachments.map(({ filename, contentId, related }) => [filename, contentId, related])).toEqual([
    ['logo.png', '<logo>', true],
    ['terms.pdf', undefined, undefined],
  ]);
  expect(html).toContain('<p>Hi</p>');
  expect(text?.trim()).toBe('Hi');
  expect(write(changes).match(/multipart\/\w+/g)).toEqual([
    'multipart/mixed',
    'multipart/alternative',
    'multipart/related',
  ]);
});

test('lines are ASCII, end in CRLF and fit what mail allows', () => {
  const raw = write({
    subject: 'ü'.repeat(300),
    to: Array.from({ length: 50 }, (_, i) => ({ name: `Zoë ${i}`, email: `user${i}@example.com` })),
    headers: { 'X-Long': 'ü'.repeat(400), 'X-Plain': 'word '.repeat(100).trim() },
    attachments: [{ filename: 'ü'.repeat(100), content: new Uint8Array(5000), contentType: 'a/b' }],
  });
  expect(raw).toMatch(/^[\x20-\x7e\r\n]*$/);
  expect(raw.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  expect(Math.max(...raw.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(100);
});
