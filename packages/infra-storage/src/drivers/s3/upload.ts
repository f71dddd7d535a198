import { createHash } from 'node:crypto';
import type { FileInfo } from '../../driver.ts';
import { conditionsOf, headersOf } from './headers.ts';
import { MAX_PARTS, putParts } from './multipart.ts';
import { described, explain, isConditional, refuse, type Upload } from './outcome.ts';
import { partsOf } from './parts.ts';
import { bareEtag } from './xml.ts';

/** Bytes of a part, and of the largest body that goes in one request. */
const PART_SIZE = 8 * 1024 * 1024;

/** Stores a body of any length: a small one in one request, a big one in parts that nobody sees until all are there. */
export async function uploadBody(upload: Upload, body: AsyncIterable<Uint8Array>): Promise<FileInfo> {
  const { size = 0, signal } = upload.options;
  const parts = partsOf(body, Math.max(PART_SIZE, Math.ceil(size / MAX_PARTS)));
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const first = await parts.next(stop.signal);
    signal?.throwIfAborted();
    return parts.ended ? await putWhole(upload, first) : await putParts(upload, first, parts, stop);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

async function putWhole(upload: Upload, body: Buffer): Promise<FileInfo> {
  const { store, key, options } = upload;
  const { signal } = options;
  const conditional = isConditional(options);
  const request = {
    what: `write ${JSON.stringify(key)}`,
    method: 'PUT',
    key,
    body,
    headers: { ...headersOf(options), ...conditionsOf(options) },
    expected: [200, 404, 409, 412],
    // Sent again after it had arrived, it would find itself and report a conflict.
    repeatable: !conditional,
    signal,
  } as const;
  const answer = await store.send(request).catch(async (err: unknown) => {
    if (conditional) await explain(upload, createHash('md5').update(body).digest('hex'), err);
    throw err;
  });
  if (answer.status !== 200) await refuse(upload, answer);
  return described(key, options, body.byteLength, answer, bareEtag(answer.headers.etag));
}
