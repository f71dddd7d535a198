import { createHash } from 'node:crypto';
import type { Address, MessageAttachment, RenderedEmail } from './driver.ts';

/** What a message file says beside the message. */
export interface MimeOptions {
  /** Milliseconds since the Unix epoch. */
  readonly date: number;
  /** Becomes the left part of the Message-ID. */
  readonly id: string;
}

const BREAK = '\r\n';

/**
 * Writes a message as RFC 5322 and MIME have it: text and HTML as alternatives, shown attachments beside the HTML,
 * files behind both. Everything is ASCII: bodies in base64, other characters in headers as encoded words (RFC 2047).
 * Recipients in bcc are left out, as they are when it is sent.
 */
export function toMime(message: Readonly<RenderedEmail>, { date, id }: MimeOptions): string {
  const shown = message.attachments.filter((it) => it.cid !== undefined);
  const files = message.attachments.filter((it) => it.cid === undefined);
  const seed = createHash('sha256').update(id).digest('hex').slice(0, 24);
  const bodies = [
    part('text/plain; charset=utf-8', Buffer.from(message.text)),
    related(part('text/html; charset=utf-8', Buffer.from(message.html)), shown, `related-${seed}`),
  ];
  const content = mixed(multipart('alternative', bodies, `alternative-${seed}`), files, `mixed-${seed}`);
  const domain = message.from.email.slice(message.from.email.lastIndexOf('@') + 1);
  const headers = [
    ['From', addressList([message.from])],
    ['To', addressList(message.to)],
    ['Cc', addressList(message.cc)],
    ['Reply-To', addressList(message.replyTo)],
    ['Subject', words(message.subject, 'Subject: '.length)],
    ['Date', new Date(date).toUTCString().replace('GMT', '+0000')],
    ['Message-ID', `<${id}@${domain}>`],
    ...Object.entries(message.headers).map(([name, value]) => [name, words(value, name.length + 2)]),
    ['MIME-Version', '1.0'],
  ].flatMap(([name, value]) => (value ? [`${name}: ${value}`] : []));
  return headers.join(BREAK) + BREAK + content;
}

/** A leaf: its headers, a blank line, its content. */
function part(type: string, content: Uint8Array, ...headers: string[]): string {
  const base64 = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('base64');
  const lines = base64.match(/.{1,76}/g) ?? [];
  return [`Content-Type: ${type}`, 'Content-Transfer-Encoding: base64', ...headers, '', ...lines, ''].join(
    BREAK,
  );
}

/** Parts under one boundary. It holds a `_`, which base64 does not, so no content can hold it. */
function multipart(kind: string, parts: readonly string[], name: string): string {
  const boundary = `_${name}_`;
  const type = kind === 'related' ? 'related; type="text/html"' : kind;
  const inside = parts.map((it) => `--${boundary}${BREAK}${it}`).join('');
  return `Content-Type: multipart/${type};${BREAK} boundary="${boundary}"${BREAK}${BREAK}${inside}--${boundary}--${BREAK}`;
}

const related = (html: string, shown: readonly MessageAttachment[], name: string): string =>
  shown.length === 0 ? html : multipart('related', [html, ...shown.map(attachment)], name);

const mixed = (content: string, files: readonly MessageAttachment[], name: string): string =>
  files.length === 0 ? content : multipart('mixed', [content, ...files.map(attachment)], name);

function attachment({ filename, content, contentType, cid }: MessageAttachment): string {
  const disposition = cid === undefined ? 'attachment' : 'inline';
  return part(
    contentType,
    content,
    `Content-Disposition: ${disposition};${BREAK} ${fileParameter(filename)}`,
    ...(cid === undefined ? [] : [`Content-ID: <${cid}>`]),
  );
}

/** The file's name: quoted where it is plain, else as RFC 2231 has it, in pieces that fit a line. */
function fileParameter(filename: string): string {
  if (/^[\x20-\x7e]{1,60}$/.test(filename)) return `filename="${filename.replaceAll(/["\\]/g, '\\$&')}"`;
  const encoded = encodeURIComponent(filename).replaceAll(
    /['()*!~]/g,
    (it) => `%${it.charCodeAt(0).toString(16)}`,
  );
  const pieces = encoded.match(/(?:%..|[^%]){1,20}/g) ?? [];
  return pieces.map((piece, i) => `filename*${i}*=${i === 0 ? "utf-8''" : ''}${piece}`).join(`;${BREAK} `);
}

/** Addresses one a line. */
function addressList(addresses: readonly Address[]): string {
  return addresses
    .map(({ name, email }) => (name === undefined ? email : `${phrase(name)} <${email}>`))
    .join(`,${BREAK} `);
}

/** A display name: plain, quoted, or encoded. */
function phrase(name: string): string {
  if (/^[a-z0-9 ]{1,60}$/i.test(name)) return name;
  if (/^[\x20-\x7e]{1,60}$/.test(name) && !name.includes('=?'))
    return `"${name.replaceAll(/["\\]/g, '\\$&')}"`;
  return encodedWords(name);
}

/** A header's text: as it is where that is plain and fits the line, folded at blanks, else encoded. */
function words(text: string, taken: number): string {
  const plain = /^[\x20-\x7e]*$/.test(text) && !/=\?| {2}/.test(text) && text === text.trim();
  if (plain && text.length + taken <= 78) return text;
  if (plain && !/\S{70}/.test(text)) return fold(text, taken);
  return encodedWords(text);
}

function fold(text: string, taken: number): string {
  let out = '';
  let column = taken;
  for (const word of text.split(' ')) {
    const next = column + word.length + 1 > 76 && out !== '' ? `${BREAK} ` : out === '' ? '' : ' ';
    column = next.startsWith(BREAK) ? word.length + 1 : column + word.length + next.length;
    out += next + word;
  }
  return out;
}

/** RFC 2047: words of at most 75 characters, each holding whole characters. */
function encodedWords(text: string): string {
  const chunks: string[] = [];
  let chunk = '';
  for (const character of text) {
    if (Buffer.byteLength(chunk + character) > 42) {
      chunks.push(chunk);
      chunk = '';
    }
    chunk += character;
  }
  return [...chunks, chunk]
    .map((it) => `=?utf-8?B?${Buffer.from(it).toString('base64')}?=`)
    .join(`${BREAK} `);
}
