import { UnsafeUrlError } from '../errors.ts';
import type { Slot } from './slots.ts';

/** An address in a template: its own text, and values in between. */
export type UrlPart = string | Slot;

/** Which addresses a place takes. */
export type UrlKind = 'link' | 'image';

const SCHEMES: Readonly<Record<UrlKind, readonly string[]>> = {
  link: ['https:', 'http:', 'mailto:', 'tel:'],
  image: ['https:', 'http:', 'cid:'],
};

/**
 * Puts an address together. A value at its start may be a whole address; further on it stays in its place: it cannot
 * change the host or leave the path, and in a query it is percent-encoded.
 *
 * @throws {@link UnsafeUrlError} `E_EMAIL_URL` when a value makes it one that must not be followed, or cannot be.
 */
export function buildUrl(parts: readonly UrlPart[], kind: UrlKind): string {
  let url = '';
  for (const [i, part] of parts.entries()) {
    const next = parts[i + 1];
    url += typeof part === 'string' ? part : place(part, url, typeof next === 'string' ? next : '');
  }
  const culprit = parts.find((part) => typeof part !== 'string');
  if (culprit) check(url, kind, culprit);
  return url;
}

/** A value as it may stand behind `before`, when the template goes on with `after`. */
function place(slot: Slot, before: string, after: string): string {
  const text = slot.text.trim();
  if (slot.encoded) return text;
  if (before === '') return normalise(text);
  const host = /^https?:\/\/([^/?#]*)$/i.exec(before)?.[1];
  if (host !== undefined && !/^[/?#]/.test(host === '' ? '' : text)) {
    const inside = host === '' || /^[\w.-]/.test(after) ? /^[\w.-]*(?::\d+)?$/ : /^(?::\d+)?$/;
    if (inside.test(text)) return text;
    throw new UnsafeUrlError(slot.site, slot.expression, before + text, 'would lead to another host');
  }
  if (/[?#]/.test(before) || /^(?:mailto|tel|cid):/i.test(before))
    return encodeURIComponent(wellFormed(text)).replaceAll('%40', '@');
  return normalise(text).replaceAll('?', '%3F').replaceAll('#', '%23');
}

/** Percent-encodes what no address may hold; what is encoded already stays. */
function normalise(text: string): string {
  return encodeURI(wellFormed(text))
    .replaceAll(/%25(?=[0-9a-f]{2})/gi, '%')
    .replaceAll("'", '%27');
}

/** Without halves of surrogate pairs, which have no encoding. */
const wellFormed = (text: string): string => Buffer.from(text).toString();

function check(url: string, kind: UrlKind, { site, expression }: Slot): void {
  const scheme = /^([a-z][a-z0-9+.-]*:)/i.exec(url)?.[1]?.toLowerCase();
  const web = /^https?:\/\/[^/\\]/i;
  let problem: string | undefined;
  if (url === '') problem = 'is empty';
  else if (!scheme) problem = 'is not absolute, so no reader could follow it';
  else if (!SCHEMES[kind].includes(scheme))
    problem = kind === 'link' ? 'is no link to follow' : 'is no address of an image';
  else if (/^https?:$/.test(scheme) && !(web.test(url) && URL.canParse(url))) problem = 'is not complete';
  if (problem) throw new UnsafeUrlError(site, expression, url, problem);
}
