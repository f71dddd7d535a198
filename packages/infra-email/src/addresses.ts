import { domainToASCII } from 'node:url';
import type { Address } from './driver.ts';
import { AddressError } from './errors.ts';

/** An address as it is given: `'ada@example.com'`, `'Ada Lovelace <ada@example.com>'`, or its parts. */
export type AddressInput = string | { readonly name?: string | undefined; readonly email: string };

// biome-ignore lint/suspicious/noControlCharactersInRegex: a header must not hold them
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
/** A dot-atom (RFC 5322 §3.2.3): quoted local parts are legal, and no mailbox that matters has one. */
const LOCAL = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*$/;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;
const MAX_NAME = 200;
/** More than any name and address together need. */
const MAX_LENGTH = 1000;

/**
 * Reads one address. It is strict: no lists, groups, comments or routes, so that no text can name another recipient
 * than the one it seems to.
 *
 * @throws {@link AddressError} `E_EMAIL_ADDRESS` naming `field`.
 */
export function parseAddress(input: AddressInput, field: string): Address {
  const refuse = (problem: string): never => {
    throw new AddressError(field, typeof input === 'object' && input !== null ? input.email : input, problem);
  };
  const { name, email } = split(input) ?? refuse('is no address');
  if (CONTROL.test(name) || CONTROL.test(email)) refuse('holds a line break or another control character');
  if (name.length > MAX_NAME) refuse(`has a name of more than ${MAX_NAME} characters`);
  const at = email.lastIndexOf('@');
  if (at < 1) refuse('is no address');
  const local = email.slice(0, at);
  if (local.length > 64 || !LOCAL.test(local)) refuse('has an invalid part before the @');
  const domain = toDomain(email.slice(at + 1)) ?? refuse('has an invalid part behind the @');
  const shown = name.trim();
  return { ...(shown === '' ? {} : { name: shown }), email: `${local}@${domain}` };
}

/** Reads one address, or a list of them. */
export function parseAddresses(
  input: AddressInput | readonly AddressInput[] | undefined,
  field: string,
): Address[] {
  if (input === undefined) return [];
  const list: readonly AddressInput[] = Array.isArray(input) ? input : [input as AddressInput];
  return list.map((one) => parseAddress(one, field));
}

/** An address as mail programs write it: `"Zoë, Łoś" <zoe@example.com>`. */
export function formatAddress({ name, email }: Address): string {
  if (name === undefined) return email;
  const shown = /^[\p{L}\p{N} ]+$/u.test(name) ? name : `"${name.replaceAll(/["\\]/g, '\\$&')}"`;
  return `${shown} <${email}>`;
}

/** An address for a log: `a***@example.com`. */
export function maskAddress({ email }: Address): string {
  return `${email.slice(0, 1)}***${email.slice(email.lastIndexOf('@'))}`;
}

function split(input: unknown): { name: string; email: string } | undefined {
  if (typeof input === 'object' && input !== null) {
    const { name = '', email } = input as { name?: unknown; email?: unknown };
    return typeof name === 'string' && typeof email === 'string' ? { name, email } : undefined;
  }
  if (typeof input !== 'string' || input.length > MAX_LENGTH) return undefined;
  const text = input.replaceAll(/^ +| +$/g, '');
  if (!text.endsWith('>')) return { name: '', email: text };
  const quoted = /^"((?:[^"\\]|\\.)*)"\s*<([^<>]*)>$/s.exec(text);
  if (quoted) return { name: (quoted[1] ?? '').replaceAll(/\\(.)/gs, '$1'), email: quoted[2] ?? '' };
  // Unquoted, a comma or another angle bracket could begin a second recipient.
  const plain = /^([^"<>,;:@()\\[\]]*)<([^<>]*)>$/s.exec(text);
  return plain ? { name: plain[1] ?? '', email: plain[2] ?? '' } : undefined;
}

/** The domain in ASCII, lower case; undefined for what is none. `localhost` is one, for tests. */
function toDomain(text: string): string | undefined {
  if (!/^[^\s/:?#@\\[\]%]+$/.test(text)) return undefined;
  const domain = domainToASCII(text);
  const labels = domain.split('.');
  const complete = labels.length > 1 || domain === 'localhost';
  if (!complete || domain.length > 253 || /^\d+$/.test(labels.at(-1) ?? '')) return undefined;
  return labels.every((label) => LABEL.test(label)) ? domain : undefined;
}
