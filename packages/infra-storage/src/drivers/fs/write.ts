import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DriverPutOptions, FileInfo } from '../../driver.ts';
import { disk, hasCode, syncFolder } from './disk.ts';
import { encodeRecord } from './record.ts';

/** What to write, beside the body. */
export interface WriteOptions extends DriverPutOptions {
  readonly key: string;
  readonly now: () => number;
  /** True to wait until it would survive a power cut. */
  readonly durable: boolean;
}

/** Writes body and record to a new file at `path`, chunk by chunk. What the body throws is thrown on. */
export async function writeFileAt(
  path: string,
  body: AsyncIterable<Uint8Array>,
  options: WriteOptions,
): Promise<FileInfo> {
  const { key, signal } = options;
  const what = `write ${JSON.stringify(key)}`;
  const file = await disk(what, async () => {
    await mkdir(dirname(path), { recursive: true });
    return open(path, 'wx', 0o600);
  });
  try {
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of body) {
      signal?.throwIfAborted();
      hash.update(chunk);
      size += chunk.byteLength;
      await disk(what, () => writeAll(file, chunk));
    }
    const info = infoOf(options, size, hash.digest('hex'));
    await disk(what, () => writeAll(file, encodeRecord(info)));
    // Before the rename: otherwise a power cut could leave the name on a file without its content.
    if (options.durable) await disk(what, () => file.sync());
    return info;
  } finally {
    await file.close();
  }
}

function infoOf(options: WriteOptions, size: number, etag: string): FileInfo {
  const { key, contentType, metadata, cacheControl, disposition, now } = options;
  return {
    key,
    size,
    etag,
    contentType,
    lastModified: new Date(now()),
    metadata,
    ...(cacheControl === undefined ? {} : { cacheControl }),
    ...(disposition === undefined ? {} : { disposition }),
  };
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; )
    at += (await file.write(bytes, at, bytes.byteLength - at)).bytesWritten;
}

/** Renames a finished file to its place, making the folders on the way. */
export async function moveInto(path: string, temporary: string, durable: boolean): Promise<void> {
  const folder = dirname(path);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const made = await mkdir(folder, { recursive: true });
      await rename(temporary, path);
      if (durable) await syncChain(folder, made);
      return;
    } catch (err) {
      // A delete may have removed the folder, empty as it was, between the two.
      if (!hasCode(err, 'ENOENT') || attempt === 100) throw err;
    }
  }
}

/** Syncs `folder`, and where folders were made, each above it up to the one that holds the first of them. */
async function syncChain(folder: string, firstMade: string | undefined): Promise<void> {
  await syncFolder(folder);
  if (firstMade === undefined) return;
  for (let at = folder; at.length >= firstMade.length; at = dirname(at)) await syncFolder(dirname(at));
}

/** Removes folders left empty, from `folder` up to below `top`. */
export async function prune(folder: string, top: string): Promise<void> {
  for (let at = folder; at.length > top.length; at = dirname(at)) {
    try {
      await rmdir(at);
    } catch {
      return;
    }
  }
}
