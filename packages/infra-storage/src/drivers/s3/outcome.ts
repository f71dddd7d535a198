import { isInfraError } from '../../core.ts';
import type { DriverPutOptions, FileInfo } from '../../driver.ts';
import { StorageBucketError, StorageRefusedError } from '../../errors.ts';
import { checkConditions } from '../conditions.ts';
import { refuseCondition, stat } from './objects.ts';
import { type Answer, errorCodeOf, type Store } from './store.ts';

/** Where a body goes. */
export interface Upload {
  readonly store: Store;
  readonly key: string;
  readonly options: DriverPutOptions;
}

/** True where the write depends on what is there. */
export const isConditional = ({ ifAbsent, ifMatch }: DriverPutOptions): boolean =>
  ifAbsent === true || ifMatch !== undefined;

/**
 * Looks whether a conditional write without an answer has lost to another: Ceph answers 500 to a loser. Where the file
 * could be this very write, nobody can tell.
 */
export async function explain({ store, key, options }: Upload, etag: string, err: unknown): Promise<void> {
  if (!isInfraError(err, 'E_STORAGE_UNAVAILABLE')) return;
  const found = await stat(store, key, options.signal).catch(() => undefined);
  if (found && found.etag !== etag) checkConditions(key, found, options);
}

/** What a write that was not done means. */
export async function refuse({ store, key, options }: Upload, answer: Answer): Promise<never> {
  const code = errorCodeOf(answer);
  if (code === 'NoSuchBucket') throw new StorageBucketError(store.account.bucket, 'does not exist');
  if (isConditional(options) && code !== 'NoSuchUpload')
    await refuseCondition(store, key, options, answer.status);
  throw new StorageRefusedError(`write ${JSON.stringify(key)}`, `${answer.status} ${code}`);
}

/** What is known of a file that was just written. */
export const described = (
  key: string,
  { contentType, metadata, cacheControl, disposition }: DriverPutOptions,
  size: number,
  { headers }: Answer,
  etag: string,
): FileInfo => ({
  key,
  size,
  etag,
  contentType,
  metadata,
  lastModified: new Date(headers.date ?? Date.now()),
  ...(cacheControl === undefined ? {} : { cacheControl }),
  ...(disposition === undefined ? {} : { disposition }),
});
