import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isInfraError } from '../../core.ts';
import type { FileInfo } from '../../driver.ts';
import { StorageTooLargeError, StorageUnavailableError } from '../../errors.ts';
import { unlessAborted } from '../../metered.ts';
import { conditionsOf, headersOf } from './headers.ts';
import { abortUpload, refuseCondition, stat } from './objects.ts';
import { described, explain, isConditional, refuse, type Upload } from './outcome.ts';
import type { Parts } from './parts.ts';
import { errorCodeOf, type Store } from './store.ts';
import { bareEtag, textOf } from './xml.ts';

/** Parts under way at once. */
const PARALLEL = 4;
/** The most parts a store puts together. */
export const MAX_PARTS = 10_000;

/** A part that is stored: its etag, and the MD5 of its bytes. */
interface Stored {
  readonly etag: string;
  readonly md5: Buffer;
}

/** Stores a body in parts, the first of which has been read; `stop` ends all of it. Nobody sees any before all are there. */
export async function putParts(
  upload: Upload,
  first: Buffer,
  parts: Parts,
  stop: AbortController,
): Promise<FileInfo> {
  const { store, key } = upload;
  const uploadId = await begin(upload, stop.signal);
  try {
    const { stored, size } = await pump(upload, uploadId, first, parts, stop);
    return await complete(upload, uploadId, stored, size);
  } catch (err) {
    await giveUp(store, key, uploadId);
    throw err;
  }
}

/** Begins an upload in parts, and resolves to its id. An abort does not stop it half-way: nobody would know the id. */
async function begin({ store, key, options }: Upload, signal: AbortSignal): Promise<string> {
  const begun = store
    .send({
      what: `write ${JSON.stringify(key)}`,
      method: 'POST',
      key,
      query: { uploads: '' },
      headers: headersOf(options),
      repeatable: false,
    })
    .then(({ text }) => textOf(text, 'UploadId') ?? '');
  try {
    return await unlessAborted(begun, signal);
  } catch (err) {
    if (signal.aborted)
      begun.then(
        (uploadId) => giveUp(store, key, uploadId),
        () => undefined,
      );
    throw err;
  }
}

/** How long a failed write waits for its parts to be gone, in milliseconds. */
const GRACE = 3000;

/** Takes back what was sent. If the store does not answer soon, the rest is for sweepUploads(). */
async function giveUp(store: Store, key: string, uploadId: string): Promise<void> {
  const gone = abortUpload(store, key, uploadId).catch(() => undefined);
  await Promise.race([gone, sleep(GRACE, undefined, { ref: false })]);
}

/** Sends the parts, a few at a time, as fast as the body gives them. The first failure ends all. */
async function pump(
  { store, key }: Upload,
  uploadId: string,
  first: Buffer,
  parts: Parts,
  stop: AbortController,
): Promise<{ stored: Stored[]; size: number }> {
  const { signal } = stop;
  const stored: Stored[] = [];
  const running = new Set<Promise<void>>();
  let size = 0;
  const send = async (part: Buffer, number: number): Promise<void> => {
    const { headers } = await store.send({
      what: `write part ${number} of ${JSON.stringify(key)}`,
      method: 'PUT',
      key,
      query: { partNumber: number, uploadId },
      body: part,
      signal,
    });
    stored[number - 1] = { etag: bareEtag(headers.etag), md5: createHash('md5').update(part).digest() };
    parts.giveBack(part);
  };
  try {
    let part = first;
    for (let number = 1; ; number += 1) {
      signal.throwIfAborted();
      if (number > MAX_PARTS) throw new StorageTooLargeError(key, size);
      size += part.byteLength;
      const task = send(part, number)
        .catch((err: unknown) => stop.abort(err))
        .finally(() => running.delete(task));
      running.add(task);
      if (running.size === PARALLEL) await Promise.race(running);
      if (parts.ended) break;
      part = await parts.next(signal);
    }
    await Promise.all(running);
    signal.throwIfAborted();
    return { stored, size };
  } catch (err) {
    stop.abort(err);
    await Promise.all(running);
    throw err;
  }
}

async function complete(
  upload: Upload,
  uploadId: string,
  stored: readonly Stored[],
  size: number,
): Promise<FileInfo> {
  const { store, key, options } = upload;
  const list = stored.map(
    ({ etag }, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>"${etag}"</ETag></Part>`,
  );
  const digest = createHash('md5')
    .update(Buffer.concat(stored.map(({ md5 }) => md5)))
    .digest('hex');
  const what = `write ${JSON.stringify(key)}`;
  let etag = `${digest}-${stored.length}`;
  try {
    const answer = await store.send({
      what,
      method: 'POST',
      key,
      query: { uploadId },
      headers: { 'content-type': 'application/xml', ...conditionsOf(options) },
      body: Buffer.from(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`),
      expected: [200, 404, 409, 412],
      repeatable: false,
      slow: true,
    });
    if (answer.status !== 200) await refuse(upload, answer);
    // The store may find out that it cannot after it has said that it will.
    const code = errorCodeOf(answer);
    if (code === 'PreconditionFailed') await refuseCondition(store, key, options, 412);
    if (code !== '') throw new StorageUnavailableError(what, `the store answered ${code}`);
    etag = bareEtag(textOf(answer.text, 'ETag')) || etag;
  } catch (err) {
    // The answer got lost: what is there tells whether it was done.
    if (isConditional(options)) await explain(upload, etag, err);
    else if (isInfraError(err, 'E_STORAGE_UNAVAILABLE')) {
      const found = await stat(store, key).catch(() => undefined);
      if (found?.etag === etag) return found;
    }
    throw err;
  }
  const found = await stat(store, key);
  if (found?.etag === etag) return found;
  // Replaced since; this is what we wrote.
  return described(key, options, size, { status: 200, headers: {}, text: '' }, etag);
}
