import { isAllowed, isMediaType } from '../content-type.ts';
import type { SignedGrant } from '../driver.ts';
import { StorageSignatureError, StorageTooLargeError, StorageTypeError } from '../errors.ts';
import type { Files } from '../files.ts';

/** What is read of a refused body, so that a client that sends before it listens gets to see the answer. */
const DRAIN_BYTES = 16 * 1024 * 1024;

/** Answers a signed PUT: stores the body within the limits it was signed for. */
export async function receiveUpload(
  request: Request,
  files: Files,
  { key, maxBytes, types = [] }: SignedGrant,
): Promise<Response> {
  const reader = request.body?.getReader();
  try {
    // Without a limit it would be a grant to fill the disk.
    if (maxBytes === undefined) throw new StorageSignatureError('does not carry a size limit');
    const contentType = request.headers.get('content-type');
    if (contentType === null || !isMediaType(contentType) || !isAllowed(contentType, types))
      throw new StorageTypeError(contentType, types);
    if (Number(request.headers.get('content-length')) > maxBytes)
      throw new StorageTooLargeError(key, maxBytes);
    const ifMatch = request.headers.get('if-match');
    const info = await files.put(key, chunksOf(reader), {
      contentType,
      maxBytes,
      signal: request.signal,
      ...(request.headers.get('if-none-match')?.trim() === '*' ? { ifAbsent: true } : {}),
      ...(ifMatch === null ? {} : { ifMatch }),
    });
    const { size, etag } = info;
    return Response.json({ key, size, etag, contentType }, { headers: { etag: `"${etag}"` } });
  } catch (err) {
    void drain(reader);
    throw err;
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array> | undefined;

/** Ends without cancelling the stream: that would cut the connection before the answer is out. */
async function* chunksOf(reader: Reader): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) return;
    yield value;
  }
}

async function drain(reader: Reader): Promise<void> {
  try {
    let bytes = 0;
    for await (const chunk of chunksOf(reader)) {
      bytes += chunk.byteLength;
      if (bytes > DRAIN_BYTES) break;
    }
    await reader?.cancel();
  } catch {
    // The client is gone already.
  }
}
