import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { FileInfo } from '../../driver.ts';
import { StorageDamagedError, StorageLinkError } from '../../errors.ts';
import { hasCode } from './disk.ts';

/*
 * A stored file is one file on disk: the content, then a record of what is known of it as JSON, then the record's
 * length in four bytes and four bytes that name the format. One rename makes both visible, so content never meets
 * another version's record; and the content starts at 0, so ranges and other programs read it as it is.
 */
const FORMAT = Buffer.from('vrs1');
const FOOTER = 8;
/** Enough for nearly every record, so that one read gets it. */
const TAIL = 1024;

/** What comes behind the content of a file. */
export function encodeRecord(info: FileInfo): Buffer {
  const json = Buffer.from(JSON.stringify({ ...info, lastModified: info.lastModified.getTime() }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([json, length, FORMAT]);
}

/** A stored file, open. Close `file`. */
export interface OpenRecord {
  readonly file: FileHandle;
  readonly info: FileInfo;
}

/**
 * Opens the file at `path` and reads its record; `undefined` when there is none. `key` is the key it must be of;
 * without one, any.
 */
export async function openRecord(path: string, key?: string): Promise<OpenRecord | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  } catch (err) {
    if (hasCode(err, 'ENOENT')) return undefined;
    if (hasCode(err, 'ELOOP')) throw new StorageLinkError(key ?? path, path);
    throw err;
  }
  try {
    const info = await readRecord(file);
    if (!info || (key !== undefined && info.key !== key)) throw new StorageDamagedError(key ?? path, path);
    return { file, info };
  } catch (err) {
    await file.close();
    throw err;
  }
}

/** What is known of the file at `path`, which is then closed again. */
export async function readInfo(path: string, key?: string): Promise<FileInfo | undefined> {
  const opened = await openRecord(path, key);
  await opened?.file.close();
  return opened?.info;
}

async function readRecord(file: FileHandle): Promise<FileInfo | undefined> {
  const { size } = await file.stat();
  let tail = await readTail(file, size, TAIL);
  if (tail.length < FOOTER || !tail.subarray(-4).equals(FORMAT)) return undefined;
  const length = tail.readUInt32BE(tail.length - FOOTER);
  if (length + FOOTER > size) return undefined;
  if (length + FOOTER > tail.length) tail = await readTail(file, size, length + FOOTER);
  try {
    const info = JSON.parse(tail.toString('utf8', tail.length - FOOTER - length, tail.length - FOOTER));
    if (info.size + length + FOOTER !== size) return undefined;
    return { ...info, lastModified: new Date(info.lastModified) };
  } catch {
    return undefined;
  }
}

async function readTail(file: FileHandle, size: number, wanted: number): Promise<Buffer> {
  const length = Math.min(size, wanted);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return buffer.subarray(0, bytesRead);
}
