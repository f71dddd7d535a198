import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { logSafely } from './logger.ts';
import { requestBody } from './request-body.ts';

/** An HTTP surface: takes a Fetch request, answers with a Fetch response. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** A handler of `node:http`, Express and Fastify's raw requests. */
export type NodeHandler = (req: IncomingMessage, res: ServerResponse) => void;

/**
 * Lets a Fetch handler serve `node:http`. Bodies stream both ways; the request's signal aborts when the client goes
 * away. What the handler throws is logged, and the client gets a plain 500.
 *
 * Under a mount path of Express the handler sees the rest of the path, as Express's own handlers do.
 */
export function toNodeHandler(handler: FetchHandler): NodeHandler {
  return (req, res) => {
    void respond(handler, req, res);
  };
}

async function respond(handler: FetchHandler, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const gone = new AbortController();
  res.once('close', () => {
    if (!res.writableFinished) gone.abort();
  });
  const request = toRequest(req, res, gone.signal);
  if (!request) return answer(res, 501, 'Not Implemented');
  try {
    await send(await handler(request), req, res);
  } catch (err) {
    if (gone.signal.aborted && (!res.headersSent || isDeparture(err))) return;
    logSafely('error', { err, method: req.method }, 'an HTTP handler failed');
    if (res.headersSent) res.destroy();
    else answer(res, 500, 'Internal Server Error');
  }
}

/** True for an answer that only says that the client left: one that broke by itself closes the connection too. */
function isDeparture(err: unknown): boolean {
  const { name, code } = (err ?? {}) as { name?: string; code?: string };
  return name === 'AbortError' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function answer(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

/** Methods that a Fetch request cannot have (Fetch §2.2.1). */
const FORBIDDEN = new Set(['CONNECT', 'TRACE', 'TRACK']);

/** A Fetch request over a Node one; `undefined` for a method that has none. Its body streams. */
function toRequest(req: IncomingMessage, res: ServerResponse, signal: AbortSignal): Request | undefined {
  const { method = 'GET', rawHeaders } = req;
  if (FORBIDDEN.has(method)) return undefined;
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (!name.startsWith(':')) headers.append(name, rawHeaders[i + 1]!);
  }
  const scheme = 'encrypted' in req.socket && req.socket.encrypted ? 'https' : 'http';
  const url = `${scheme}://${authority(req.headers.host)}${originForm(req.url)}`;
  if (method === 'GET' || method === 'HEAD') return new Request(url, { method, headers, signal });
  const streaming = { body: requestBody(req, res), duplex: 'half' };
  return new Request(url, { method, headers, signal, ...streaming } as RequestInit);
}

/** The host as sent, where it is one: anything more in it would move into the path or the credentials of the URL. */
function authority(host: string | undefined): string {
  return host && /^[^\s/?#@\\]+$/.test(host) && URL.canParse(`http://${host}`) ? host : 'localhost';
}

/** The path and query; of the absolute form that a proxy may send (RFC 9112 §3.2.2), only those; `/` for `OPTIONS *`. */
function originForm(url = '/'): string {
  if (url.startsWith('/')) return url;
  if (!URL.canParse(url)) return '/';
  const { pathname, search } = new URL(url);
  return pathname.startsWith('/') ? pathname + search : '/';
}

async function send(response: Response, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { body, status } = response;
  // Found before the first byte is out, while the client can still be told.
  if (response.bodyUsed || body?.locked)
    throw new TypeError('The body of the response has been read already.');
  const headers: Record<string, string | string[]> = Object.fromEntries(response.headers);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers['set-cookie'] = cookies;
  if (!body && req.method !== 'HEAD' && status !== 204 && status !== 304) headers['content-length'] ??= '0';
  res.writeHead(status, headers);
  if (!body || req.method === 'HEAD') {
    res.end();
    await body?.cancel();
    return;
  }
  await pipeline(Readable.fromWeb(body as never), res);
}
