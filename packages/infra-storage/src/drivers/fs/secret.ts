import { randomBytes, randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { disk, hasCode } from './disk.ts';
import type { Locks } from './locks.ts';

/** The secret kept in the folder, readable by its owner alone; made at first use, by one process of several. */
export function persistedSecret(root: string, locks: Locks): Promise<string> {
  const path = join(root, 'secret');
  return disk(`keep a signing secret in ${path}`, () =>
    locks.hold('secret/', async () => {
      try {
        return await readFile(path, 'utf8');
      } catch (err) {
        if (!hasCode(err, 'ENOENT')) throw err;
      }
      const secret = randomBytes(32).toString('base64url');
      const temporary = join(root, 'tmp', randomUUID());
      await writeFile(temporary, secret, { flag: 'wx', mode: 0o600 });
      await rename(temporary, path);
      return secret;
    }),
  );
}
