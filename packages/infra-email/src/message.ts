import { randomUUID } from 'node:crypto';
import { type AddressInput, parseAddress, parseAddresses } from './addresses.ts';
import type { Address, MessageAttachment, RenderedEmail } from './driver.ts';
import { AttachmentError, EmailOptionError, HeaderError, RecipientsError } from './errors.ts';
import type { RenderedTemplate } from './templates.ts';

/** A file that goes with an e-mail. */
export interface Attachment {
  /** Its name, without a folder. */
  filename: string;
  /** A text is sent as UTF-8. */
  content: string | Uint8Array;
  /** @default by the end of its name, else `application/octet-stream` */
  contentType?: string;
  /** The id by which the template shows it, `![Logo](cid:logo)`. Without one it is a file to download. */
  cid?: string;
}

/** To whom, and with what beside the template's own. */
export interface EnvelopeOptions {
  to: AddressInput | readonly AddressInput[];
  /** @default EMAIL_FROM */
  from?: AddressInput;
  cc?: AddressInput | readonly AddressInput[];
  bcc?: AddressInput | readonly AddressInput[];
  replyTo?: AddressInput | readonly AddressInput[];
  /** In place of the template's subject. Line breaks in it become blanks. */
  subject?: string;
  /** Further headers, such as `{ 'X-Ticket': '42' }`. */
  headers?: Readonly<Record<string, string>>;
  /** Labels for the provider's statistics: letters, digits, `_` and `-`, up to 256 each. */
  tags?: Readonly<Record<string, string>>;
  /** Up to 40 MB together, as the message carries them. */
  attachments?: readonly Attachment[];
}

const MAX_RECIPIENTS = 50;
/** What Resend takes, with the third that base64 adds. */
const MAX_ATTACHMENT_BYTES = 30 * 1024 * 1024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a header must not hold them
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
/** Made from options of their own, or by the driver. */
const RESERVED =
  /^(?:from|sender|to|cc|bcc|reply-to|subject|date|message-id|mime-version|return-path|received|content-.*|dkim-.*|resent-.*)$/i;

/** Checks the options and joins them with what was rendered. @throws coded errors for each of them */
export function composeMessage(
  template: string,
  rendered: RenderedTemplate,
  options: EnvelopeOptions,
  from: Address,
): Readonly<RenderedEmail> {
  const to = parseAddresses(options.to, 'to');
  const cc = parseAddresses(options.cc, 'cc');
  const bcc = parseAddresses(options.bcc, 'bcc');
  const count = to.length + cc.length + bcc.length;
  if (to.length === 0 || count > MAX_RECIPIENTS)
    throw new RecipientsError(to.length === 0 ? 0 : count, MAX_RECIPIENTS);
  return Object.freeze({
    template,
    locale: rendered.locale,
    from: options.from === undefined ? from : parseAddress(options.from, 'from'),
    to,
    cc,
    bcc,
    replyTo: parseAddresses(options.replyTo, 'replyTo'),
    subject: options.subject === undefined ? rendered.subject : toSubject(options.subject),
    html: rendered.html,
    text: rendered.text,
    headers: checkHeaders(options.headers ?? {}),
    tags: checkTags(options.tags ?? {}),
    attachments: checkAttachments(options.attachments ?? []),
  });
}

/** The key under which a message is sent at most once: the given one, else a new one. */
export function toIdempotencyKey(given: string | undefined): string {
  if (given === undefined) return randomUUID();
  if (typeof given === 'string' && /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/.test(given))
    return given;
  throw new EmailOptionError('idempotencyKey', given, 'Use 1 to 256 printable ASCII characters.');
}

/** A text as a subject: on one line, without controls. */
function toSubject(text: unknown): string {
  if (typeof text !== 'string') throw new EmailOptionError('subject', text, 'Pass a text.');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a header must not hold them
  return text.replaceAll(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
}

function checkHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[a-z0-9][a-z0-9_-]{0,75}$/i.test(name))
      throw new HeaderError(name, 'has a name that none can have', 'Use letters, digits and "-".');
    if (RESERVED.test(name))
      throw new HeaderError(name, 'cannot be set', 'Use the option of that name, or leave it to the driver.');
    if (typeof value !== 'string' || CONTROL.test(value) || value.length > 900)
      throw new HeaderError(
        name,
        'holds no text on one line',
        'Use up to 900 characters without line breaks.',
      );
  }
  return { ...headers };
}

function checkTags(tags: Readonly<Record<string, string>>): Record<string, string> {
  const form = /^[\w-]{1,256}$/;
  for (const [name, value] of Object.entries(tags))
    for (const part of [name, value])
      if (typeof part !== 'string' || !form.test(part))
        throw new EmailOptionError('tags', part, 'Use letters, digits, "_" and "-", up to 256 of them.');
  return { ...tags };
}

function checkAttachments(attachments: readonly Attachment[]): MessageAttachment[] {
  const checked = attachments.map(checkAttachment);
  const bytes = checked.reduce((sum, { content }) => sum + content.byteLength, 0);
  if (bytes > MAX_ATTACHMENT_BYTES)
    throw new AttachmentError(
      attachments.at(-1)?.filename,
      `brings the attachments to ${bytes} bytes, of ${MAX_ATTACHMENT_BYTES} that fit`,
      'Send a link to the file.',
    );
  return checked;
}

function checkAttachment({ filename, content, contentType, cid }: Attachment): MessageAttachment {
  const refuse = (problem: string, help: string): never => {
    throw new AttachmentError(filename, problem, help);
  };
  if (
    typeof filename !== 'string' ||
    filename.trim() === '' ||
    filename.length > 200 ||
    /[/\\]/.test(filename)
  )
    refuse('has no usable name', 'Use a file name without a folder, of up to 200 characters.');
  if (CONTROL.test(filename)) refuse('has a line break in its name', 'Use a name on one line.');
  if (typeof content !== 'string' && !(content instanceof Uint8Array))
    refuse('has no content', 'Pass a text, a Buffer or a Uint8Array.');
  const type = contentType ?? typeOf(filename);
  if (!/^[a-z0-9][\w.+-]*\/[a-z0-9][\w.+-]*$/i.test(type))
    refuse(`has the content type ${JSON.stringify(type)}`, "Use one such as 'application/pdf'.");
  if (cid !== undefined && !/^[\w.+-]{1,100}(?:@[\w.-]{1,100})?$/.test(cid))
    refuse('has an unusable cid', 'Use letters, digits, ".", "_" and "-".');
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  return { filename, content: bytes, contentType: type, ...(cid === undefined ? {} : { cid }) };
}

const TYPES: Readonly<Record<string, string>> = {
  csv: 'text/csv',
  gif: 'image/gif',
  html: 'text/html',
  ics: 'text/calendar',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  pdf: 'application/pdf',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain',
  webp: 'image/webp',
  zip: 'application/zip',
};

const typeOf = (filename: string): string =>
  TYPES[filename.slice(filename.lastIndexOf('.') + 1).toLowerCase()] ?? 'application/octet-stream';
