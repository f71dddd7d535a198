import { mkdir, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StorageLinkError } from '../../errors.ts';
import { hasCode } from './disk.ts';

/** An upload this old was left over by a crash: one under way is written to all the time. */
const ABANDONED = 24 * 60 * 60 * 1000;

/** Makes the driver's folders in `dir`, clears what crashes left, and returns its real path. */
export async function openRoot(dir: string): Promise<string> {
  // What users upload is nobody else's business on a shared machine.
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const root = await realpath(dir);
  for (const folder of ['files', 'locks', 'tmp']) await mkdir(join(root, folder), { recursive: true });
  await writeFile(join(root, '.gitignore'), '*\n', { flag: 'wx' }).catch((err: unknown) => {
    if (!hasCode(err, 'EEXIST')) throw err;
  });
  await sweep(join(root, 'tmp'), Date.now() - ABANDONED);
  return root;
}

/** Removes what was last written at `before` (milliseconds since the epoch) or earlier; resolves to how many. */
export async function sweep(tmp: string, before: number): Promise<number> {
  let swept = 0;
  for (const name of await readdir(tmp)) {
    const path = join(tmp, name);
    const found = await stat(path).catch(() => undefined);
    if (!found || found.mtimeMs > before) continue;
    await rm(path, { force: true });
    swept += 1;
  }
  return swept;
}

/**
 * Makes sure that no folder between `root` and `path` is a symbolic link, which could lead anywhere.
 *
 * @throws {@link StorageLinkError} `E_STORAGE_LINK`.
 */
export async function refuseLinks(root: string, path: string, key: string): Promise<void> {
  for (let folder = dirname(path); folder.length > root.length; folder = dirname(folder)) {
    try {
      if ((await realpath(folder)) !== folder) throw new StorageLinkError(key, folder);
      return;
    } catch (err) {
      if (!hasCode(err, 'ENOENT')) throw err;
    }
  }
}
