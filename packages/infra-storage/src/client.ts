import { resolve } from 'node:path';
import type { FetchHandler } from '@vibeonrails/infra-core/http';
import {
  accountOf,
  asVariables,
  BASE_URL_FORM,
  config,
  isBaseUrl,
  isS3,
  MIN_SECRET,
  type S3Options,
  type StorageDriverName,
} from './config.ts';
import {
  type Clock,
  chooseDriver,
  type Duration,
  type Env,
  type ModuleInstance,
  once,
  onShutdown,
  systemClock,
  toMs,
} from './core.ts';
import type { StorageDriver } from './driver.ts';
import { library, StorageClosedError, StorageOptionError, StorageSecretRequiredError } from './errors.ts';
import type { Files } from './files.ts';
import { openBody } from './input.ts';
import type { DriverChoice, Operations } from './operations.ts';
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

/**
 * Makes a storage of its own, independent of the default one. What it does loads when it is first used, or by `ready()`.
 *
 * @throws {@link ConfigError} `E_CONFIG` when one of its variables holds something else, or S3's are half set; `E_STORAGE_DRIVER_REQUIRED`
 * in production with nothing chosen; `E_STORAGE_SECRET_REQUIRED` in production on files without a secret.
 */
export function createStorage(options: StorageOptions = {}): Storage {
  const clock = options.clock ?? systemClock;
  const choice = typeof options.driver === 'object' ? options.driver : chosen(options, clock);
  let closed = false;
  const forgetHook = onShutdown('storage', () => close());
  const refuseWhenClosed = (): void => {
    if (closed) throw new StorageClosedError();
  };
  const open = once(async () => {
    const { openOperations } = await library('@vibeonrails/infra-storage', () => import('./operations.ts'));
    return openOperations(choice, clock, refuseWhenClosed);
  });
  const use = async (): Promise<Operations> => {
    refuseWhenClosed();
    return open();
  };

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    forgetHook();
    const opened = await open.done()?.catch(() => undefined);
    await (opened ?? ('ready' in choice ? choice : undefined))?.close();
  }

  const storage: Storage = {
    driver: choice.name,
    ready: async () => (await use()).ready(),
    close,
    ping: async (options) => (await use()).ping(options),
    ensureBucket: async () => (await use()).ensureBucket(),
    sweepUploads: async (options) => (await use()).sweepUploads(options),
    async put(key, body, options = {}) {
      // First of all, so that a stream is watched from now on and freed whatever happens.
      const source = openBody(body);
      try {
        return await (await use()).put(key, { body, source }, options);
      } finally {
        source.stop();
      }
    },
    get: async (key, options) => (await use()).get(key, options),
    info: async (key) => (await use()).info(key),
    exists: async (key) => (await storage.info(key)) !== undefined,
    list: (options = {}) => ({
      page: async (next) => (await use()).list(options).page(next),
      async *[Symbol.asyncIterator]() {
        yield* (await use()).list(options);
      },
    }),
    copy: async (from, to, options) => (await use()).copy(from, to, options),
    move: async (from, to, options) => (await use()).move(from, to, options),
    delete: async (key) => (await use()).delete(key),
    deleteMany: async (keys, options) => (await use()).deleteMany(keys, options),
    deletePrefix: async (prefix, options) => (await use()).deletePrefix(prefix, options),
    signedUrl: async (key, options) => (await use()).signedUrl(key, options),
    signedUpload: async (key, options) => (await use()).signedUpload(key, options),
    scope: (prefix) => scoped(storage, prefix),
    readOnly: () => readOnly(storage),
    // Also when it is closed: that is an answer of its own.
    handler: () => async (request) => (await open()).answer(request, storage),
  };
  return storage;
}

/** How long an S3 store may keep silent. */
const TIMEOUT = 10_000;

/** Which driver, and what it is made from. All that can be wrong with it is found here, before anything is loaded. */
function chosen(options: StorageOptions, clock: Clock): DriverChoice {
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
    return { name: 's3', with: { account: accountOf(values), timeout: timeoutOf(options.timeout), clock } };
  const { dir = values.STORAGE_DIR, secret = values.STORAGE_SECRET, url = values.STORAGE_URL } = options;
  if (secret === undefined && env.NODE_ENV?.trim() === 'production') throw new StorageSecretRequiredError();
  if (secret !== undefined && secret.length < MIN_SECRET)
    throw new StorageOptionError('secret', 'is too short', `Give ${MIN_SECRET} random characters or more.`);
  if (!isBaseUrl(url)) throw new StorageOptionError('url', 'is no place for URLs', `Give ${BASE_URL_FORM}.`);
  return { name: 'fs', with: { dir: resolve(dir), url, secret, clock } };
}

function timeoutOf(timeout: Duration | undefined): number {
  const ms = timeout === undefined ? TIMEOUT : toMs(timeout);
  if (ms < 1)
    throw new StorageOptionError('timeout', `is ${String(timeout)}`, "Give a duration such as '10s'.");
  return ms;
}
