import { type Clock, type Duration, operation, toMs } from './core.ts';
import type { DeleteFailure, FileInfo, StorageDriver } from './driver.ts';
import type { FsDriverOptions } from './drivers/fs.ts';
import type { S3DriverOptions } from './drivers/s3.ts';
import { StorageNotFoundError } from './errors.ts';
import type { DeleteReport, Files, GetOptions, PutOptions } from './files.ts';
import type { Body, Source } from './input.ts';
import { checkKey, checkPrefix } from './input.ts';
import { listing } from './listing.ts';
import { metered } from './metered.ts';
import { checkRange, etagOf, expiryOf, putOptions, uploadOptions } from './options.ts';
import { signedHandler } from './signed/handler.ts';
import { type StoredFile, storedFile } from './stored-file.ts';

/** A driver by its name, and what it is made from. */
export type DriverChoice =
  | { readonly name: 'fs'; readonly with: FsDriverOptions }
  | { readonly name: 's3'; readonly with: S3DriverOptions };

/** What a storage does when it is used. */
export interface Operations
  extends Omit<Files, 'put' | 'exists' | 'scope' | 'readOnly'>,
    Pick<StorageDriver, 'ready' | 'ping' | 'ensureBucket' | 'close'> {
  /** Stores a body that has been taken hold of; whoever did so frees it. */
  put(key: string, given: { body: Body; source: Source }, options: PutOptions): Promise<FileInfo>;
  sweepUploads(options: { olderThan: Duration; signal?: AbortSignal }): Promise<number>;
  /** Answers a request to a signed URL with one of `files`. */
  answer(request: Request, files: Files): Promise<Response>;
}

const puts = operation('storage.put');
const gets = operation('storage.get');
const infos = operation('storage.info');
const copies = operation('storage.copy');
const deletes = operation('storage.delete');

/** The most keys a driver deletes in one call. */
const BATCH = 1000;

/** Makes the driver, and the operations over it. `refuseWhenClosed` throws once the storage is closed. */
export async function openOperations(
  choice: DriverChoice | StorageDriver,
  clock: Clock,
  refuseWhenClosed: () => void,
): Promise<Operations> {
  const driver = await driverOf(choice);
  const { name } = driver;
  const use = (): StorageDriver => {
    refuseWhenClosed();
    return driver;
  };

  async function put(
    key: string,
    { body, source }: { body: Body; source: Source },
    options: PutOptions,
  ): Promise<FileInfo> {
    const { signal, maxBytes, checksum, onProgress } = options;
    const checked = { ...(await putOptions(checkKey(key), body, options)), size: source.size };
    signal?.throwIfAborted();
    const chunks = metered(source, { key, maxBytes, checksum, onProgress, signal });
    return puts.trace(() => use().put(key, chunks, checked), { key, driver: name });
  }

  async function get(key: string, options: GetOptions = {}): Promise<StoredFile> {
    const { signal } = options;
    const checked = { range: checkRange(options.range), ifMatch: etagOf(options.ifMatch), signal };
    signal?.throwIfAborted();
    const { info, body } = await gets.trace(() => use().get(checkKey(key), checked), { key, driver: name });
    return storedFile(info, body, clock, signal);
  }

  const info = async (key: string): Promise<FileInfo | undefined> =>
    infos.trace(() => use().info(checkKey(key)), { key, driver: name });

  const copy: Files['copy'] = async (from, to, { signal } = {}) => {
    checkKey(from);
    checkKey(to);
    signal?.throwIfAborted();
    return copies.trace(() => use().copy(from, to, { signal }), { key: to, from, driver: name });
  };

  const deleteMany: Files['deleteMany'] = async (keys, { signal } = {}) => {
    const all = Array.from(keys, checkKey);
    const failed: DeleteFailure[] = [];
    for (let at = 0; at < all.length; at += BATCH) {
      const batch = all.slice(at, at + BATCH);
      const key = batch.length === 1 ? batch[0]! : `${batch[0]} and ${batch.length - 1} more`;
      signal?.throwIfAborted();
      failed.push(...(await deletes.trace(() => use().delete(batch, { signal }), { key, driver: name })));
    }
    const lost = new Set(failed.map(({ key }) => key));
    return { deleted: all.filter((key) => !lost.has(key)), failed };
  };

  const deletePrefix: Files['deletePrefix'] = async (prefix, { dryRun = false, signal } = {}) => {
    const found = listing(use, { prefix: checkPrefix(prefix), ...(signal ? { signal } : {}) });
    const deleted: string[] = [];
    const failed: DeleteFailure[] = [];
    let next: string | undefined;
    do {
      const page = await found.page(next);
      const keys = page.files.map(({ key }) => key);
      const report: DeleteReport = dryRun
        ? { deleted: keys, failed: [] }
        : await deleteMany(keys, signal ? { signal } : {});
      deleted.push(...report.deleted);
      failed.push(...report.failed);
      next = page.next;
    } while (next !== undefined);
    return { deleted, failed };
  };

  const move: Files['move'] = async (from, to, options) => {
    if (from !== to) {
      const copied = await copy(from, to, options);
      await remove(from);
      return copied;
    }
    const found = await info(from);
    if (!found) throw new StorageNotFoundError(from);
    return found;
  };

  async function remove(key: string): Promise<void> {
    const [failure] = (await deleteMany([key])).failed;
    if (failure) throw failure.error;
  }

  return {
    ready: async () => use().ready(),
    close: () => driver.close(),
    ping: async (options) => use().ping(options),
    ensureBucket: async () => use().ensureBucket(),
    sweepUploads: async ({ olderThan, signal }) =>
      use().sweepUploads(clock.now() - toMs(olderThan), { signal }),
    put,
    get,
    info,
    list: (options = {}) => listing(use, options),
    copy,
    move,
    delete: remove,
    deleteMany,
    deletePrefix,
    async signedUrl(key, { expiresIn, download, base }) {
      const name = download === true ? key.slice(key.lastIndexOf('/') + 1) : download;
      const expiresAt = expiryOf(expiresIn, clock);
      return use().signedUrl(checkKey(key), { expiresAt, download: name, base });
    },
    signedUpload: async (key, options) =>
      use().signedUpload(checkKey(key), uploadOptions(options, expiryOf(options.expiresIn, clock))),
    answer: async (request, files) => signedHandler(files, driver.verify?.bind(driver))(request),
  };
}

/** Loads the driver that was chosen, and no other. */
async function driverOf(choice: DriverChoice | StorageDriver): Promise<StorageDriver> {
  if ('ready' in choice) return choice;
  if (choice.name === 's3') return (await import('./drivers/s3.ts')).s3Driver(choice.with);
  return (await import('./drivers/fs.ts')).fsDriver(choice.with);
}
