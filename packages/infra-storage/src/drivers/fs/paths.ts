import { createHash } from 'node:crypto';
import { join } from 'node:path';

/*
 * A key's path on disk: each part of the key is one folder or file name in which only lower-case letters, digits,
 * '.', '_' and '-' stand for themselves and every other byte is written %xx. So names that differ only by case, or
 * by Unicode form, stay apart on every filesystem. A folder's name ends in '+', hence a file `a` and a folder for
 * `a/b` are neighbours. What gets too long that way is kept under its digest in a folder of its own.
 */

/** Some filesystems take names of 255 bytes, encrypted ones fewer; a whole path may have 1024 on macOS. */
const MAX_NAME = 140;
const MAX_PATH = 600;

/** Names that Windows keeps for devices, with any extension. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/;

/** Where a key's file is, relative to the root of the driver. */
export function pathOf(key: string): string {
  const names = key.split('/').map(encodeName);
  const last = names.pop() ?? '';
  const path = join('files', ...names.map((name) => `${name}+`), last);
  if (path.length <= MAX_PATH && [...names, last].every((name) => name.length <= MAX_NAME)) return path;
  return join('long', createHash('sha256').update(key).digest('hex'));
}

/** Where the files under a prefix are. Long keys are elsewhere. */
export function folderOf(prefix: string): string {
  return join(
    'files',
    ...prefix
      .split('/')
      .slice(0, -1)
      .map((part) => `${encodeName(part)}+`),
  );
}

/** A part of a key as a name on disk. */
export function encodeName(part: string): string {
  const name = Buffer.from(part)
    .toString('latin1')
    .replaceAll(/[^a-z0-9._-]/g, percent)
    .replace(/\.$/, percent);
  return DEVICE.test(name) ? percent(name[0]!) + name.slice(1) : name;
}

const percent = (char: string): string => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`;

/** The part of a key that a name on disk stands for; `undefined` for a name that {@link encodeName} never made. */
export function decodeName(name: string): string | undefined {
  try {
    const part = decodeURIComponent(name);
    return encodeName(part) === name ? part : undefined;
  } catch {
    return undefined;
  }
}
