import type { DriverPutOptions, FileInfo } from '../driver.ts';
import { StorageConflictError, StorageExistsError } from '../errors.ts';

/** Rejects a write whose condition does not hold for what was found. */
export function checkConditions(key: string, found: FileInfo | undefined, options: DriverPutOptions): void {
  if (options.ifAbsent && found) throw new StorageExistsError(key);
  if (options.ifMatch !== undefined && found?.etag !== options.ifMatch)
    throw new StorageConflictError(key, options.ifMatch, found?.etag);
}
