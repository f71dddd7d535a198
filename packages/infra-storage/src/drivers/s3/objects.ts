import type { DriverPutOptions, FileInfo } from '../../driver.ts';
import { StorageConflictError, StorageExistsError, StorageUnavailableError } from '../../errors.ts';
import { infoOf } from './headers.ts';
import type { Store } from './store.ts';
import { elements, textOf } from './xml.ts';

/** What is known of a file. */
export async function stat(store: Store, key: string, signal?: AbortSignal): Promise<FileInfo | undefined> {
  const what = `read ${JSON.stringify(key)}`;
  const { status, headers } = await store.send({ what, method: 'HEAD', key, expected: [200, 404], signal });
  return status === 404 ? undefined : infoOf(key, headers);
}

/** Rejects with what a refused condition (412), or a clash with another writer (409), means. */
export async function refuseCondition(
  store: Store,
  key: string,
  { ifAbsent, ifMatch, signal }: DriverPutOptions,
  status: number,
): Promise<never> {
  const found = await stat(store, key, signal);
  if (ifAbsent && (found || status === 412)) throw new StorageExistsError(key);
  if (ifMatch !== undefined && (found?.etag !== ifMatch || status === 412))
    throw new StorageConflictError(key, ifMatch, found?.etag);
  throw new StorageUnavailableError(`write ${JSON.stringify(key)}`, 'another write was under way');
}

/** An upload that was begun and not ended. */
export interface OpenUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly begun: Date;
}

/**
 * Every upload of the bucket that was begun and not ended, asked for by pages. Not with the keys percent-encoded: Ceph
 * would do so without saying that it does.
 */
export async function* openUploads(
  store: Store,
  { signal, page = 1000 }: { signal?: AbortSignal | undefined; page?: number } = {},
): AsyncGenerator<OpenUpload> {
  let marker: Record<string, string> | undefined = {};
  while (marker) {
    const { text } = await store.send({
      what: 'list uploads',
      method: 'GET',
      query: { uploads: '', 'max-uploads': page, ...marker },
      signal,
    });
    for (const upload of elements(text, 'Upload'))
      yield {
        key: textOf(upload, 'Key') ?? '',
        uploadId: textOf(upload, 'UploadId') ?? '',
        begun: new Date(textOf(upload, 'Initiated') ?? 0),
      };
    const nextKey = textOf(text, 'NextKeyMarker') ?? '';
    marker =
      textOf(text, 'IsTruncated') === 'true' && nextKey !== ''
        ? { 'key-marker': nextKey, 'upload-id-marker': textOf(text, 'NextUploadIdMarker') ?? '' }
        : undefined;
  }
}

/** Gives up an upload; one that is gone counts. */
export async function abortUpload(store: Store, key: string, uploadId: string): Promise<void> {
  const what = `give up the upload of ${JSON.stringify(key)}`;
  await store.send({ what, method: 'DELETE', key, query: { uploadId }, expected: [204, 200, 404] });
}
