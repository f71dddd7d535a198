import type { FetchHandler } from '@vibeonrails/infra-core/http';
import { type InfraError, isInfraError } from '../core.ts';
import type { StorageDriver } from '../driver.ts';
import { StorageMethodError } from '../errors.ts';
import type { Files } from '../files.ts';
import { receiveUpload } from './receive-upload.ts';
import { serveFile } from './serve-file.ts';

/**
 * On every answer. What users uploaded is shown in the application's origin, so a document among it must not run
 * anything there: no script, no plug-in, an origin of its own, and no guessing at types.
 */
const SAFE = {
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/** What the client is told, by the code of the error. Everything else is the server's fault. */
const STATUS: Readonly<Record<string, number>> = {
  E_STORAGE_SIGNATURE: 403,
  E_STORAGE_READ_ONLY: 403,
  E_STORAGE_NOT_FOUND: 404,
  E_STORAGE_METHOD: 405,
  E_STORAGE_EXISTS: 412,
  E_STORAGE_CONFLICT: 412,
  E_STORAGE_TOO_LARGE: 413,
  E_STORAGE_TYPE: 415,
  E_STORAGE_RANGE: 416,
  E_STORAGE_UNAVAILABLE: 503,
  E_STORAGE_CLOSED: 503,
};

/** A Fetch handler for signed URLs. Without `verify`, the store answers them itself, and here is nothing to find. */
export function signedHandler(files: Files, verify: StorageDriver['verify']): FetchHandler {
  return async (request) => {
    try {
      const response = verify ? await answer(request, files, verify) : notHere();
      for (const [name, value] of Object.entries(SAFE)) response.headers.set(name, value);
      return response;
    } catch (err) {
      const status = isInfraError(err) ? STATUS[err.code] : undefined;
      if (!isInfraError(err) || status === undefined) throw err;
      return refusal(err, status);
    }
  };
}

async function answer(
  request: Request,
  files: Files,
  verify: NonNullable<StorageDriver['verify']>,
): Promise<Response> {
  const { method } = request;
  if (method !== 'GET' && method !== 'HEAD' && method !== 'PUT') throw new StorageMethodError(method);
  const { pathname: path, searchParams: query } = new URL(request.url);
  const grant = await verify({ method: method === 'PUT' ? 'PUT' : 'GET', path, query });
  return method === 'PUT' ? receiveUpload(request, files, grant) : serveFile(request, files, grant);
}

function refusal(err: InfraError, status: number): Response {
  // A disk's error names paths; the client has no use for them.
  const message = status === 503 ? 'Files cannot be reached at the moment.' : err.message;
  const headers = new Headers({ ...SAFE, 'cache-control': 'no-store' });
  if (status === 405) headers.set('allow', 'GET, HEAD, PUT');
  if (status === 416 && 'size' in err) headers.set('content-range', `bytes */${String(err.size)}`);
  return Response.json({ code: err.code, message }, { status, headers });
}

const notHere = (): Response =>
  Response.json({ code: 'E_STORAGE_NOT_FOUND', message: 'No file is served here.' }, { status: 404 });
