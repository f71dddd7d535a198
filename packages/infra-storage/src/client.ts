import {
  type Clock,
  chooseDriver,
  type Duration,
  type Env,
  type ModuleInstance,
  onShutdown,
  operation,
  systemClock,
  toMs,
} from '@vibeonrails/infra-core';
import type { FetchHandler } from '@vibeonrails/infra-core/http';
import { type Body, openBody } from './body.ts';
import { BASE_URL_FORM, config, isBaseUrl, MIN_SECRET, type StorageDriverName } from './config.ts';
import type { DeleteFailure, FileInfo, StorageDriver } from './driver.ts';
import { fsDriver } from './drivers/fs.ts';
import { s3Driver } from './drivers/s3.ts';
import {
  StorageClosedError,
  StorageNotFoundError,
  StorageOptionError,
  StorageSecretRequiredError,
} from './errors.ts';
import type { DeleteReport, Files, GetOptions, PutOptions } from './files.ts';
import { checkKey, checkPrefix } from './key.ts';
import { listing } from './listing.ts';
import { metered } from './metered.ts';
import { checkRange, etagOf, expiryOf, putOptions, uploadOptions } from './options.ts';
import { accountOf, asVariables, isS3, type S3Options } from './s3-config.ts';
import { signedHandler } from './signed/handler.ts';
import { type StoredFile, storedFile } from './stored-file.ts';
import { readOnly, scoped } from './views.ts';

/** How a storage is made. */
export interface StorageOptions {
  /** A driver by name, or one of your own. @default STORAGE_DRIVER, else fs */
  driver?: StorageDriverName | StorageDriver;
  /** The folder that holds everything (fs driver). @default STORAGE_DIR, else '.storage' */
  dir?: string;
  /** Signs URLs (fs driver): 16 characters or more. @default STORAGE_SECRET, else one made and kept in the folder */
  secret?: string;
  /** What signed URLs start with (fs driver): a path, or an absolute URL. @default STORAGE_URL, else '/storage' */
  url?: string;
  /** The bucket of an S3-compatible store (s3 driver), or a part of what describes it. @default the variables S3_… */
  s3?: S3Options;
  /** How long the store may keep silent before a call fails (s3 driver). @default '10s' */
  timeout?: Duration;
  /** @default the machine's clock */
  clock?: Clock;
  /** @default process.env */
  env?: Env;
}

/** A storage: {@link Files}, and what belongs to the whole of it. */
export interface Storage extends Files, ModuleInstance {
  /**
   * Serves signed URLs: GET and HEAD with ranges and conditions, and PUT. Mount it at STORAGE_URL's path. Where the
   * store itself answers them, every request gets a 404.
   */
  handler(): FetchHandler;
  /** Makes the bucket, or the folder, unless it is there. */
  ensureBucket(): Promise<void>;
  /**
   * Removes what writes that never ended have left (parts of uploads, temporary files), where it is older than
   * `olderThan`. Resolves to how many. Choose it longer than any upload takes: one under way counts too.
   */
  sweepUploads(options: { olderThan: Duration; signal?: AbortSignal }): Promise<number>;
  /** Makes a round trip to where files are kept; rejects with what is wrong. */
  ping(options?: { signal?: AbortSignal }): Promise<void>;
  /** Its driver's name, such as `fs`. */
  readonly driver: string;
}

const puts = operation('storage.put');
const gets = operation('storage.get');
const infos = operation('storage.info');
const copies = operation('storage.copy');
const deletes = operation('storage.delete');

/** The most keys a driver deletes in one call. */
const BATCH = 1000;

/**
 * Makes a storage of its own, independent of the default one.
 *
 * @throws {@link ConfigError} `E_CONFIG` when one of its variables holds something else, or S3's are half set; `E_STORAGE_DRIVER_REQUIRED`
 * in production with nothing chosen; `E_STORAGE_SECRET_REQUIRED` in production on files without a secret.
 */
export function createStorage(options: StorageOptions = {}): Storage {
  const clock = options.clock ?? systemClock;
  const driver = typeof options.driver === 'object' ? options.driver : chosen(options, clock);
  const { name } = driver;
  let closed = false;
  const forgetHook = onShutdown('storage', () => close());
  const use = (): StorageDriver => {
    if (closed) throw new StorageClosedError();
    return driver;
  };

  async function put(key: string, body: Body, options: PutOptions = {}): Promise<FileInfo> {
    // First of all, so that a stream is watched from now on and freed whatever happens.
    const source = openBody(body);
    try {
      const { signal, maxBytes, checksum, onProgress } = options;
      const checked = { ...(await putOptions(checkKey(key), body, options)), size: source.size };
      signal?.throwIfAborted();
      const chunks = metered(source, { key, maxBytes, checksum, onProgress, signal });
      return await puts.trace(() => use().put(key, chunks, checked), { key, driver: name });
    } finally {
      source.stop();
    }
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

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    forgetHook();
    await driver.close();
  }

  const storage: Storage = {
    driver: name,
    ready: async () => use().ready(),
    close,
    ping: async (options) => use().ping(options),
    ensureBucket: async () => use().ensureBucket(),
    sweepUploads: async ({ olderThan, signal }) =>
      use().sweepUploads(clock.now() - toMs(olderThan), { signal }),
    put,
    get,
    info,
    exists: async (key) => (await info(key)) !== undefined,
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
    scope: (prefix) => scoped(storage, prefix),
    readOnly: () => readOnly(storage),
    handler: () => signedHandler(storage, driver.verify?.bind(driver)),
  };
  return storage;
}

/** How long an S3 store may keep silent. */
const TIMEOUT = 10_000;

function chosen(options: StorageOptions, clock: Clock): StorageDriver {
  const env = options.env ?? process.env;
  const option = options.driver as StorageDriverName | undefined;
  const values = config.read({
    ...env,
    ...asVariables(options.s3 ?? {}),
    ...(option === undefined ? {} : { STORAGE_DRIVER: option }),
  });
  const driver = chooseDriver({
    module: 'storage',
    option,
    variable: values.STORAGE_DRIVER,
    present: { s3: isS3(values) },
    embedded: 'fs',
    inProduction: 'refuse',
    help: 'Files on the disk of one machine are lost with it. Set S3_BUCKET and its keys; or STORAGE_DRIVER=fs and STORAGE_SECRET to say that the disk is meant.',
    env,
  });
  if (driver === 's3')
    return s3Driver({ account: accountOf(values), timeout: timeoutOf(options.timeout), clock });
  const { dir = values.STORAGE_DIR, secret = values.STORAGE_SECRET, url = values.STORAGE_URL } = options;
  if (secret === undefined && env.NODE_ENV?.trim() === 'production') throw new StorageSecretRequiredError();
  if (secret !== undefined && secret.length < MIN_SECRET)
    throw new StorageOptionError('secret', 'is too short', `Give ${MIN_SECRET} random characters or more.`);
  if (!isBaseUrl(url)) throw new StorageOptionError('url', 'is no place for URLs', `Give ${BASE_URL_FORM}.`);
  return fsDriver({ dir, url, secret, clock });
}

function timeoutOf(timeout: Duration | undefined): number {
  const ms = timeout === undefined ? TIMEOUT : toMs(timeout);
  if (ms < 1)
    throw new StorageOptionError('timeout', `is ${String(timeout)}`, "Give a duration such as '10s'.");
  return ms;
}
