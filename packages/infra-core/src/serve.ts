import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { InfraError, messageOf } from './errors.ts';
import { logSafely } from './logger.ts';
import { type FetchHandler, toNodeHandler } from './node-handler.ts';
import { type Duration, toMs } from './time.ts';

/** Where and how to listen. */
export interface ServeOptions {
  /** 0 takes any free one. @default 0 */
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
  /** Stops listening, lets open requests finish for `grace`, then cuts every connection. Idempotent. @default '5s' */
  close(grace?: Duration): Promise<void>;
}

/** The address cannot be listened on. */
export class ListenError extends InfraError {
  constructor(address: string, cause: unknown) {
    const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    super(`Cannot listen on ${address}: ${taken ? 'the port is taken' : messageOf(cause)}.`, {
      code: 'E_LISTEN',
      help: taken
        ? 'Stop what uses it, or choose another port (0 takes any free one).'
        : 'Choose another address.',
      cause,
    });
  }
}

/**
 * Serves a Fetch handler over HTTP. It registers no shutdown hook: say when it stops with
 * `onShutdown('http', () => server.close(), { phase: 'stop' })`.
 *
 * @throws {@link ListenError} `E_LISTEN` when the address is taken or not ours.
 */
export async function serve(handler: FetchHandler, options: ServeOptions = {}): Promise<RunningServer> {
  const { port = 0, hostname = '127.0.0.1' } = options;
  const server = createServer(toNodeHandler(handler));
  const close = closer(server);
  await listen(server, port, hostname);
  server.on('error', (err) => logSafely('error', { err }, 'the HTTP server reports an error'));
  const address = server.address() as AddressInfo;
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  let closed: Promise<void> | undefined;
  return {
    url: `http://${host}:${address.port}`,
    port: address.port,
    server,
    close(grace = '5s') {
      closed ??= close(toMs(grace));
      return closed;
    },
  };
}

async function listen(server: Server, port: number, hostname: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, hostname, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (cause) {
    throw new ListenError(`${hostname}:${port}`, cause);
  }
}

/** Prepares the closing of a server: from the first connection on it knows which ones have an answer under way. */
function closer(server: Server): (grace: number) => Promise<void> {
  const busy = new Map<Socket, number>();
  let closing = false;
  const settle = (socket: Socket, change: number): void => {
    const count = (busy.get(socket) ?? 0) + change;
    busy.set(socket, count);
    if (closing && count === 0) socket.destroy();
  };
  server.on('connection', (socket) => {
    busy.set(socket, 0);
    socket.once('close', () => busy.delete(socket));
  });
  server.prependListener('request', ({ socket }, res) => {
    if (closing) res.setHeader('connection', 'close');
    settle(socket, 1);
    res.once('close', () => settle(socket, -1));
  });
  return (grace) =>
    new Promise((resolve) => {
      closing = true;
      // Opened ahead of a first request, as browsers do: Node takes them for busy.
      for (const socket of busy.keys()) if (socket.bytesRead === 0) socket.destroy();
      // Upgraded connections are no business of the HTTP server any more, yet they hold it open.
      const cut = setTimeout(() => {
        for (const socket of busy.keys()) socket.destroy();
      }, grace);
      // Closes what is idle as well, which would stay open for as long as the client likes.
      server.close(() => {
        clearTimeout(cut);
        resolve();
      });
    });
}
