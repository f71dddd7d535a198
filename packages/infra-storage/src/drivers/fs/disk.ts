import { open } from 'node:fs/promises';
import { StorageUnavailableError } from '../../errors.ts';

/** True for an error of the operating system with one of these codes. */
export function hasCode(err: unknown, ...codes: string[]): boolean {
  return err instanceof Error && 'code' in err && codes.includes(String(err.code));
}

/** Runs work on the disk; what the operating system refuses becomes `E_STORAGE_UNAVAILABLE`: "cannot `what`". */
export async function disk<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (err) {
    throw err instanceof Error && 'syscall' in err ? new StorageUnavailableError(what, err) : err;
  }
}

/** Makes the names in a folder survive a power cut. Does nothing where folders cannot be synced, or it is gone. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch (err) {
    if (!hasCode(err, 'ENOENT', 'EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP', 'EBADF')) throw err;
  }
}
