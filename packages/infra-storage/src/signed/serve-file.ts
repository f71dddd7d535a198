import { isInfraError } from '../core.ts';
import { attachment } from '../disposition.ts';
import type { ByteRange, FileInfo, SignedGrant } from '../driver.ts';
import { StorageConflictError, StorageNotFoundError, StorageRangeError } from '../errors.ts';
import type { Files } from '../files.ts';

/** How often a file may be replaced between a look at it and its opening. */
const ATTEMPTS = 5;

/** Answers a GET or HEAD: whole, a range (206), unchanged (304), or refused by a condition (412). */
export async function serveFile(request: Request, files: Files, grant: SignedGrant): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const info = await files.info(grant.key);
    if (!info) throw new StorageNotFoundError(grant.key);
    try {
      return await respond(request, files, grant, info);
    } catch (err) {
      if (!isInfraError(err, 'E_STORAGE_CONFLICT') || attempt === ATTEMPTS || request.headers.has('if-match'))
        throw err;
    }
  }
}

async function respond(
  request: Request,
  files: Files,
  grant: SignedGrant,
  info: FileInfo,
): Promise<Response> {
  const headers = headersOf(info, grant);
  const wanted = request.headers.get('if-match');
  if (wanted !== null && !names(wanted, info.etag))
    throw new StorageConflictError(info.key, wanted, info.etag);
  if (isUnchanged(request.headers, info)) return new Response(null, { status: 304, headers });

  const range = request.method === 'GET' ? rangeOf(request.headers, info) : undefined;
  const end = range?.end ?? info.size - 1;
  const start = range?.start ?? 0;
  headers.set('content-type', info.contentType);
  headers.set('content-length', String(end - start + 1));
  if (range) headers.set('content-range', `bytes ${start}-${end}/${info.size}`);
  if (request.method === 'HEAD') return new Response(null, { headers });
  const { signal } = request;
  const file = await files.get(grant.key, { signal, ifMatch: info.etag, ...(range ? { range } : {}) });
  return new Response(file.stream, { status: range ? 206 : 200, headers });
}

function headersOf(info: FileInfo, { download }: SignedGrant): Headers {
  const headers = new Headers({
    etag: `"${info.etag}"`,
    'last-modified': info.lastModified.toUTCString(),
    'accept-ranges': 'bytes',
    // The URL is a secret of who got it: no shared cache; and a file may be replaced: ask each time.
    'cache-control': info.cacheControl ?? 'private, no-cache',
  });
  const disposition = download === undefined ? info.disposition : attachment(download);
  if (disposition !== undefined) headers.set('content-disposition', disposition);
  return headers;
}

/** True when a list of entity tags names `etag`; weak ones count, as RFC 9110 §13.1.2 wants for reading. */
function names(header: string, etag: string): boolean {
  if (header.trim() === '*') return true;
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === `"${etag}"`);
}

function isUnchanged(headers: Headers, info: FileInfo): boolean {
  const tags = headers.get('if-none-match');
  if (tags !== null) return names(tags, info.etag);
  const since = Date.parse(headers.get('if-modified-since') ?? '');
  return !Number.isNaN(since) && wholeSeconds(info) <= since;
}

/** HTTP dates know no milliseconds. */
const wholeSeconds = ({ lastModified }: FileInfo): number => Math.floor(lastModified.getTime() / 1000) * 1000;

/** The one range asked for. Several, and what is no range, count as none (RFC 9110 §14.2). @throws `E_STORAGE_RANGE` */
function rangeOf(headers: Headers, info: FileInfo): Required<ByteRange> | undefined {
  const [, first = '', last = ''] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(headers.get('range') ?? '') ?? [];
  if ((first === '' && last === '') || !holds(headers.get('if-range'), info)) return undefined;
  const { key, size } = info;
  if (first === '') {
    if (Number(last) === 0 || size === 0) throw new StorageRangeError(key, size, size);
    return { start: Math.max(0, size - Number(last)), end: size - 1 };
  }
  const [start, end] = [Number(first), last === '' ? size - 1 : Math.min(Number(last), size - 1)];
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= size) throw new StorageRangeError(key, start, size);
  return { start, end };
}

/** If-Range: the part only fits what the client has when the file is still the same. */
function holds(condition: string | null, info: FileInfo): boolean {
  if (condition === null) return true;
  return condition.startsWith('"')
    ? condition === `"${info.etag}"`
    : Date.parse(condition) === wholeSeconds(info);
}
