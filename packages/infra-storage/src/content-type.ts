import { library } from './errors.ts';
import type { Body } from './input.ts';

const TOKEN = "[\\w!#$&'*+.^`|~-]+";
const MEDIA_TYPE = new RegExp(
  `^${TOKEN}/${TOKEN}(?:[ \\t]*;[ \\t]*${TOKEN}=(?:${TOKEN}|"[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]*"))*$`,
);

/** True for a media type such as `image/png` or `text/plain; charset=utf-8`. */
export const isMediaType = (text: string): boolean => text.length <= 255 && MEDIA_TYPE.test(text);

/** `text/plain; charset=utf-8` as `text/plain`. */
const essenceOf = (type: string): string => type.split(';', 1)[0]!.trim().toLowerCase();

/**
 * The content type of a file that came without one: by the key's extension, else the Blob's own, else text for a
 * string. The extension goes first because a Blob's type is often whatever a stranger's browser said.
 */
export async function guessContentType(key: string, body: Body): Promise<string> {
  // The table of types loads with the first file that needs it.
  const { lookup } = await library('mrmime', () => import('mrmime'));
  const name = key.slice(key.lastIndexOf('/') + 1);
  const known = name.includes('.') ? lookup(name) : undefined;
  if (typeof body === 'string') {
    const type = known ?? 'text/plain';
    return type.startsWith('text/') ? `${type}; charset=utf-8` : type;
  }
  const own = known === undefined && 'type' in body ? body.type : undefined;
  return known ?? (typeof own === 'string' && isMediaType(own) ? own : 'application/octet-stream');
}

/** True when `type` is one of `allowed`, in which `image/*` stands for every image. */
export function isAllowed(type: string, allowed: readonly string[]): boolean {
  const essence = essenceOf(type);
  return allowed.some((pattern) => {
    const wanted = essenceOf(pattern);
    return wanted === essence || (wanted.endsWith('/*') && essence.startsWith(wanted.slice(0, -1)));
  });
}
