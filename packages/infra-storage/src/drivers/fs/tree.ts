import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { compareKeys } from '../../input.ts';
import { hasCode } from './disk.ts';
import { decodeName, folderOf } from './paths.ts';
import { readInfo } from './record.ts';

/** What of the tree to walk. */
export interface WalkOptions {
  /** Empty, or ends in a slash. */
  readonly prefix: string;
  /** Fold what has a further slash into one entry that ends in it. */
  readonly folders: boolean;
  /** Only what comes behind it. */
  readonly after?: string | undefined;
}

/** The keys and folded prefixes under `root`, in order, read folder by folder as they are asked for. */
export async function* walk(root: string, options: WalkOptions): AsyncGenerator<string> {
  const short = walkFolder(join(root, folderOf(options.prefix)), options);
  const long = (await longEntries(join(root, 'long'), options)).values();
  let [a, b] = [await short.next(), long.next()];
  for (let last: string | undefined; !a.done || !b.done; ) {
    const fromShort = b.done || (!a.done && compareKeys(a.value, b.value) <= 0);
    const entry: string = fromShort ? a.value : b.value;
    if (fromShort) a = await short.next();
    else b = long.next();
    if (entry !== last) yield entry;
    last = entry;
  }
}

async function* walkFolder(path: string, { prefix, folders, after }: WalkOptions): AsyncGenerator<string> {
  for (const { part, name } of await namesIn(path)) {
    const entry = prefix + part;
    if (after !== undefined && compareKeys(entry, after) <= 0 && !isAround(entry, after)) continue;
    if (!entry.endsWith('/')) {
      yield entry;
      continue;
    }
    const inside = walkFolder(join(path, name), { prefix: entry, folders: false, after });
    if (!folders) yield* inside;
    else if (!(await inside.next()).done) yield entry;
  }
}

/** True for a folder that `after` lies in. A folder that is itself `after` was folded, and is done with. */
const isAround = (entry: string, after: string): boolean =>
  entry.endsWith('/') && after !== entry && after.startsWith(entry);

interface Name {
  /** Part of a key; with a slash at the end for a folder. */
  readonly part: string;
  readonly name: string;
}

async function namesIn(path: string): Promise<Name[]> {
  const names = (await entriesIn(path)).flatMap((entry): Name[] => {
    const { name } = entry;
    const isFolder = entry.isDirectory() && name.endsWith('+');
    if (!isFolder && !entry.isFile()) return [];
    const part = decodeName(isFolder ? name.slice(0, -1) : name);
    return part === undefined ? [] : [{ part: isFolder ? `${part}/` : part, name }];
  });
  return names.sort((a, b) => compareKeys(a.part, b.part));
}

/** Keys too long for the tree: few, so all of them are read and put in order. */
async function longEntries(path: string, { prefix, folders, after }: WalkOptions): Promise<string[]> {
  const found = new Set<string>();
  for (const { name } of await entriesIn(path)) {
    const key = (await readInfo(join(path, name)).catch(() => undefined))?.key;
    if (!key?.startsWith(prefix) || (after !== undefined && compareKeys(key, after) <= 0)) continue;
    const slash = folders ? key.indexOf('/', prefix.length) : -1;
    const entry = slash < 0 ? key : key.slice(0, slash + 1);
    if (entry !== after) found.add(entry);
  }
  return [...found].sort(compareKeys);
}

async function entriesIn(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (err) {
    if (hasCode(err, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return [];
    throw err;
  }
}
