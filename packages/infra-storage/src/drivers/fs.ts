import { randomUUID } from 'node:crypto';
import { readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import type { Clock } from '../core.ts';
import type {
  DeleteFailure,
  DriverFile,
  DriverGetOptions,
  DriverListOptions,
  DriverPage,
  DriverPutOptions,
  FileInfo,
  ListedFile,
  StorageDriver,
} from '../driver.ts';
import { StorageConflictError, StorageNotFoundError, StorageRangeError } from '../errors.ts';
import { createSigner } from '../signed/signer.ts';
import { checkConditions } from './conditions.ts';
import { disk, hasCode, syncFolder } from './fs/disk.ts';
import { fileLocks } from './fs/locks.ts';
import { folderOf, pathOf } from './fs/paths.ts';
import { type OpenRecord, openRecord, readInfo } from './fs/record.ts';
import { openRoot, refuseLinks, sweep } from './fs/root.ts';
import { persistedSecret } from './fs/secret.ts';
import { walk } from './fs/tree.ts';
import { moveInto, prune, writeFileAt } from './fs/write.ts';

/** How the filesystem driver is made. */
export interface FsDriverOptions {
  /** The folder that holds everything. Processes may share it. */
  dir: string;
  /** What signed URLs start with: a path, or an absolute URL. */
  url: string;
  /** Signs URLs. Without one a random one is kept in the folder. */
  secret?: string | undefined;
  clock: Clock;
  /** Wait with each change until it would survive a power cut. @default true */
  durable?: boolean;
}

/** Files or folders looked at at once. */
const PARALLEL = 16;

/** Keeps files in a folder; `storage.handler()` serves their signed URLs. */
export function fsDriver({ dir, url, secret, clock, durable = true }: FsDriverOptions): StorageDriver {
  const folder = resolve(dir);
  let opening: Promise<string> | undefined;
  const root = (): Promise<string> => {
    opening ??= disk(`use the folder ${folder}`, () => openRoot(folder)).catch((err: unknown) => {
      opening = undefined;
      throw err;
    });
    return opening;
  };
  const locks = fileLocks(join(folder, 'locks'));
  const place = async (key: string): Promise<string> => {
    const path = join(await root(), pathOf(key));
    await refuseLinks(await root(), path, key);
    return path;
  };
  const reading = <T>(key: string, work: (path: string) => Promise<T>): Promise<T> =>
    disk(`read ${JSON.stringify(key)}`, async () => work(await place(key)));
  const { signedUrl, signedUpload, verify } = createSigner({
    url,
    clock,
    secret: async () => secret ?? persistedSecret(await root(), locks),
  });

  async function put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    options: DriverPutOptions,
  ): Promise<FileInfo> {
    const path = await place(key);
    // Once before the body, to spare its reading; and once at the end, when it counts.
    const conditional = options.ifAbsent || options.ifMatch !== undefined;
    if (conditional) checkConditions(key, await readInfo(path, key), options);
    const temporary = join(await root(), 'tmp', randomUUID());
    try {
      const info = await writeFileAt(temporary, body, { ...options, key, now: clock.now, durable });
      const commit = async (): Promise<void> => {
        if (conditional) checkConditions(key, await readInfo(path, key), options);
        await moveInto(path, temporary, durable);
      };
      await disk(`write ${JSON.stringify(key)}`, () => locks.hold(key, commit, options.signal));
      return info;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async function get(key: string, options: DriverGetOptions = {}): Promise<DriverFile> {
    const opened = await reading(key, (path) => openRecord(path, key));
    if (!opened) throw new StorageNotFoundError(key);
    try {
      options.signal?.throwIfAborted();
      return { info: opened.info, body: await bodyOf(opened, options) };
    } catch (err) {
      await opened.file.close();
      throw err;
    }
  }

  async function remove(key: string): Promise<void> {
    const path = await place(key);
    await disk(`delete ${JSON.stringify(key)}`, () =>
      locks.hold(key, async () => {
        try {
          await unlink(path);
        } catch (err) {
          if (hasCode(err, 'ENOENT')) return;
          throw err;
        }
        if (durable) await syncFolder(dirname(path));
        await prune(dirname(path), join(await root(), 'files'));
      }),
    );
  }

  async function list(options: DriverListOptions): Promise<DriverPage> {
    const { prefix, folders, limit, signal } = options;
    const after = options.token ? Buffer.from(options.token, 'base64url').toString() : options.after;
    const base = await root();
    await disk(`list ${JSON.stringify(prefix)}`, () =>
      refuseLinks(base, join(base, folderOf(prefix), '-'), prefix),
    );
    const entries: string[] = [];
    for await (const entry of walk(base, { prefix, folders, after })) {
      signal?.throwIfAborted();
      entries.push(entry);
      if (entries.length > limit) break;
    }
    const shown = entries.slice(0, limit);
    const keys = shown.filter((entry) => !entry.endsWith('/'));
    const found = await inParallel(keys, (key) =>
      // Deleted since, or changed behind our back: not listed, and get() says why.
      readInfo(join(base, pathOf(key)), key).catch(() => undefined),
    );
    return {
      files: found.flatMap((info) => (info ? [listed(info)] : [])),
      prefixes: shown.filter((entry) => entry.endsWith('/')),
      ...(entries.length > limit ? { next: Buffer.from(shown.at(-1) ?? '').toString('base64url') } : {}),
    };
  }

  return {
    name: 'fs',
    ready: async () => void (await root()),
    put,
    get,
    info: (key) => reading(key, (path) => readInfo(path, key)),
    list,
    async copy(from, to, { signal } = {}) {
      const { info, body } = await get(from, { signal });
      return put(to, body, { ...info, signal }).finally(() => body.destroy());
    },
    async delete(keys, { signal } = {}) {
      const failures = await inParallel(keys, async (key): Promise<DeleteFailure | undefined> => {
        signal?.throwIfAborted();
        return remove(key).then(
          () => undefined,
          (error: Error) => ({ key, error }),
        );
      });
      return failures.filter((failure) => failure !== undefined);
    },
    signedUrl,
    signedUpload,
    verify,
    ensureBucket: async () => void (await root()),
    async sweepUploads(before) {
      const base = await root();
      return disk(`use the folder ${folder}`, () => sweep(join(base, 'tmp'), before));
    },
    async ping() {
      const path = join(await root(), 'tmp', randomUUID());
      await disk(`use the folder ${folder}`, async () => {
        await writeFile(path, 'ok', { flag: 'wx' });
        await readFile(path);
        await rm(path, { force: true });
      });
    },
    close: async () => undefined,
  };
}

async function bodyOf({ file, info }: OpenRecord, { range, ifMatch }: DriverGetOptions): Promise<Readable> {
  if (ifMatch !== undefined && ifMatch !== info.etag)
    throw new StorageConflictError(info.key, ifMatch, info.etag);
  const start = range?.start ?? 0;
  if (range && start >= info.size) throw new StorageRangeError(info.key, start, info.size);
  // A read stream's `end` counts in, so it cannot express "nothing".
  if (info.size === 0) {
    await file.close();
    return Readable.from([]);
  }
  return file.createReadStream({ start, end: Math.min(range?.end ?? info.size, info.size - 1) });
}

const listed = ({ key, size, etag, lastModified }: FileInfo): ListedFile => ({
  key,
  size,
  etag,
  lastModified,
});

/** Results in order, a few at a time. */
async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += PARALLEL)
    results.push(...(await Promise.all(items.slice(at, at + PARALLEL).map(work))));
  return results;
}
