import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Duration, toMs } from './duration.ts';
import { InfraError } from './errors.ts';
import { logger } from './logger.ts';

/** An HTTP surface: takes a Fetch request, answers with a Fetch response. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** A handler of `node:http`, Express and Fastify's raw requests. */
export type NodeHandler = (req: IncomingMessage, res: ServerResponse) => void;

/**
 * Lets a Fetch handler serve `node:http`. Bodies stream both ways; the request's signal aborts when the client goes
 * away. What the handler throws is logged, and the client gets a plain 500.
 */
export function toNodeHandler(handler: FetchHandler): NodeHandler {
  return (req, res) => {
    void respond(handler, req, res);
  };
}

async function respond(handler: FetchHandler, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  try {
    await send(await handler(toRequest(req, gone.signal)), req, res);
  } catch (err) {
    if (gone.signal.aborted) return;
    logger.error({ err, method: req.method }, 'an HTTP handler failed');
    if (res.headersSent) res.destroy();
    else res.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end('Internal Server Error\n');
  }
}

/** A Fetch request over a Node one. Its body streams; `signal` aborts with the client. */
function toRequest(req: IncomingMessage, signal: AbortSignal): Request {
  const method = req.method ?? 'GET';
  const headers = new Headers();
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i]!;
    if (!name.startsWith(':')) headers.append(name, req.rawHeaders[i + 1]!);
  }
  const scheme = 'encrypted' in req.socket && req.socket.encrypted ? 'https' : 'http';
  const url = originForm(req.url) ?? '/';
  const host = req.headers.host;
  const base = host && URL.canParse(`${scheme}://${host}`) ? host : 'localhost';
  const init: RequestInit & { duplex?: 'half' } = { method, headers, signal };
  if (method !== 'GET' && method !== 'HEAD') {
    init.body = Readable.toWeb(req) as ReadableStream;
    init.duplex = 'half';
  }
  return new Request(`${scheme}://${base}${url}`, init);
}

/** The path and query; of the absolute form a proxy may send (RFC 9112 §3.2.2), only those. */
function originForm(url: string | undefined): string | undefined {
  if (url === undefined || url.startsWith('/')) return url;
  const absolute = URL.canParse(url) ? new URL(url) : undefined;
  return absolute && absolute.pathname + absolute.search;
}

async function send(response: Response, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const headers: Record<string, string | string[]> = Object.fromEntries(response.headers);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers['set-cookie'] = cookies;
  res.writeHead(response.status, headers);
  if (!response.body || req.method === 'HEAD') {
    await response.body?.cancel();
    res.end();
    return;
  }
  await pipeline(Readable.fromWeb(response.body as never), res);
}

/** Where and how to listen. */
export interface ServeOptions {
  /** 0 takes any free port. @default 0 */
  port?: number;
  /** @default '127.0.0.1' */
  hostname?: string;
}

/** A server that listens. */
export interface RunningServer {
  /** `http://127.0.0.1:3000`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** The server underneath, to attach a WebSocket server or the like. */
  readonly server: Server;
  /** Stops listening, lets open requests finish for `grace`, then cuts them. Idempotent. @default '5s' */
  close(grace?: Duration): Promise<void>;
}

/** The address cannot be listened on. */
export class ListenError extends InfraError {
  constructor(address: string, cause: NodeJS.ErrnoException) {
    const taken = cause.code === 'EADDRINUSE';
    super(`Cannot listen on ${address}: ${taken ? 'the port is taken' : cause.message}.`, {
      code: 'E_LISTEN',
      help: taken
        ? 'Stop what uses it, or choose another port (0 takes any free one).'
        : 'Choose another address.',
      cause,
    });
  }
}

/** Serves a Fetch handler over HTTP. @throws {@link ListenError} `E_LISTEN` when the address is taken or not ours. */
export async function serve(handler: FetchHandler, options: ServeOptions = {}): Promise<RunningServer> {
  const { port = 0, hostname = '127.0.0.1' } = options;
  const server = createServer(toNodeHandler(handler));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new ListenError(`${hostname}:${port}`, error)));
    server.listen(port, hostname, resolve);
  });
  const address = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    url: `http://${host}:${address.port}`,
    port: address.port,
    server,
    close(grace = '5s') {
      closed ??= closeServer(server, toMs(grace));
      return closed;
    },
  };
}

function closeServer(server: Server, grace: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), grace);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    // Idle keep-alive connections would hold it open for as long as the client likes.
    server.closeIdleConnections();
  });
}
