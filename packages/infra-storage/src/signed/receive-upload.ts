import { isAllowed, isMediaType } from '../content-type.ts';
import type { SignedGrant } from '../driver.ts';
import { StorageSignatureError, StorageTooLargeError, StorageTypeError } from '../errors.ts';
import type { Files } from '../files.ts';

/** Answers a signed PUT: stores the body within the limits it was signed for. */
export async function receiveUpload(request: Request, files: Files, grant: SignedGrant): Promise<Response> {
  const { key } = grant;
  const { headers, signal, body } = request;
  let limits: { contentType: string; maxBytes: number };
  try {
    limits = check(headers, grant);
  } catch (err) {
    // Says that nobody will read it; the server throws the rest away.
    await body?.cancel();
    throw err;
  }
  const ifMatch = headers.get('if-match');
  const { size, etag } = await files.put(key, body ?? '', {
    ...limits,
    signal,
    ...(headers.get('if-none-match')?.trim() === '*' ? { ifAbsent: true } : {}),
    ...(ifMatch === null ? {} : { ifMatch }),
  });
  return Response.json(
    { key, size, etag, contentType: limits.contentType },
    { headers: { etag: `"${etag}"` } },
  );
}

function check(
  headers: Headers,
  { key, maxBytes, types = [], size }: SignedGrant,
): { contentType: string; maxBytes: number } {
  // Without a limit it would be a grant to fill the disk.
  if (maxBytes === undefined) throw new StorageSignatureError('does not carry a size limit');
  const contentType = headers.get('content-type');
  if (contentType === null || !isMediaType(contentType) || !isAllowed(contentType, types))
    throw new StorageTypeError(contentType, types);
  if (Number(headers.get('content-length')) > maxBytes) throw new StorageTooLargeError(key, maxBytes);
  // The server holds the body to the length it announces.
  if (size !== undefined && headers.get('content-length') !== String(size))
    throw new StorageSignatureError(`was made for ${size} bytes`);
  return { contentType, maxBytes };
}
