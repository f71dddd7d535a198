import { StorageKeyError, StoragePrefixError } from './errors.ts';

const MAX_BYTES = 1024;

/**
 * Returns `key` when every driver can keep it: 1 to 1024 bytes of UTF-8, parts separated by single slashes.
 *
 * @throws {@link StorageKeyError} `E_STORAGE_KEY` naming the rule it breaks.
 */
export function checkKey(key: string): string {
  const problem = problemOf(key);
  if (problem) throw new StorageKeyError(key, problem);
  return key;
}

/**
 * Returns `prefix` when it ends in a slash and is a key before it. The slash keeps `users/1/` from matching `users/10/`.
 *
 * @throws {@link StoragePrefixError} `E_STORAGE_PREFIX`, or {@link StorageKeyError} `E_STORAGE_KEY`.
 */
export function checkPrefix(prefix: string): string {
  if (typeof prefix !== 'string' || !prefix.endsWith('/')) throw new StoragePrefixError(prefix);
  checkKey(prefix.slice(0, -1));
  return prefix;
}

function problemOf(key: unknown): string | undefined {
  if (typeof key !== 'string') return 'a key is a text';
  if (key === '') return 'it is empty';
  if (/\p{Surrogate}/u.test(key)) return 'it holds half a character (a lone surrogate)';
  if (/\p{Control}/u.test(key)) return 'it holds a control character';
  if (key.includes('\\')) return 'it holds a backslash';
  if (key.startsWith('/')) return "it starts with '/'";
  if (Buffer.byteLength(key) > MAX_BYTES) return `it has more than ${MAX_BYTES} bytes`;
  for (const part of key.split('/')) {
    if (part === '') return "it has an empty part ('//' or a slash at the end)";
    if (part === '.' || part === '..') return `it has the part '${part}'`;
  }
  return undefined;
}

/**
 * The order of a listing: by bytes of UTF-8, as S3 has it. JavaScript compares UTF-16, in which characters above
 * U+FFFF come too early.
 */
export function compareKeys(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i += 1) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** A UTF-16 unit's place in code point order: surrogates behind all others. */
const rank = (unit: number): number =>
  unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit;
