import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { logger } from '@vibeonrails/infra-core';
import type { RunningServer } from '@vibeonrails/infra-core/http';
import type {
  EngineOptions,
  EngineSocket,
  RealtimeEngine,
  SocketEvents,
  UpgradeDecision,
  UpgradeListener,
  UpgradeRequest,
  UpgradeServer,
} from '../engine.ts';
import { RealtimeEngineError } from '../errors.ts';

/** The part of ws that is used. */
interface Socket {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code: number, reason: string): void;
  terminate(): void;
  on(event: 'message', fn: (data: Buffer, isBinary: boolean) => void): unknown;
  on(event: 'close', fn: (code: number) => void): unknown;
  on(event: 'error', fn: (error: Error) => void): unknown;
}

interface Acceptor {
  handleUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer, done: (socket: Socket) => void): void;
}

/** Set on a request while it is upgraded, for `handleProtocols`. */
type Upgrading = IncomingMessage & { protocolChosen?: string | undefined };

const OPEN = 1;
/** How long the other end may take to answer a close. */
const CLOSE_TIMEOUT = 5000;

/** The engine on `ws`: pure JavaScript, on any platform, and able to share the port of a Node HTTP server. */
export function wsEngine(options: EngineOptions): RealtimeEngine {
  const sockets = new Set<Socket>();
  const waiting = new Set<Duplex>();
  let acceptor: Acceptor | undefined;
  let loading: Promise<void> | undefined;
  let running: RunningServer | undefined;
  const servers = new Map<UpgradeServer, UpgradeListener>();
  let closed = false;

  const load = async (): Promise<void> => {
    try {
      const { WebSocketServer } = await import('ws');
      acceptor = new WebSocketServer({
        noServer: true,
        clientTracking: false,
        maxPayload: options.maxPayload,
        perMessageDeflate: false,
        handleProtocols: (_: Set<string>, req: Upgrading) => req.protocolChosen ?? false,
        closeTimeout: CLOSE_TIMEOUT,
      } as object);
    } catch (cause) {
      throw new RealtimeEngineError('ws', 'ws', cause);
    }
  };
  const ready = (): Promise<void> => {
    loading ??= load();
    return loading;
  };

  const accept = (req: Upgrading, raw: Duplex, head: Buffer, decision: UpgradeDecision): void => {
    if ('refuse' in decision) {
      refuse(raw, decision.refuse, decision.reason);
      return;
    }
    req.protocolChosen = decision.protocol;
    let opened = false;
    try {
      if (!closed && !raw.destroyed)
        acceptor?.handleUpgrade(req, raw, head, (socket) => {
          opened = true;
          sockets.add(socket);
          wire(socket, decision.open, () => sockets.delete(socket));
        });
    } catch (err) {
      // ws calls back at once or answers with an HTTP error by itself; this is neither.
      logger.warn({ err, module: 'realtime' }, 'an upgrade failed');
      raw.destroy();
    }
    if (!opened) decision.abandoned();
    if (!opened && closed) raw.destroy();
  };

  const upgrade = async (req: IncomingMessage, raw: Duplex, head: Buffer): Promise<void> => {
    const gone = new AbortController();
    const onGone = (): void => gone.abort();
    // Without a listener a reset by the client would end the process.
    raw.on('error', onGone);
    raw.once('close', onGone);
    waiting.add(raw);
    try {
      const decision = await options.upgrade(toRequest(req, gone.signal));
      accept(req, raw, head, decision);
    } catch (err) {
      logger.error({ err, module: 'realtime' }, 'deciding on an upgrade failed');
      refuse(raw, 500, 'Internal Server Error');
    } finally {
      waiting.delete(raw);
      raw.off('close', onGone);
    }
  };

  const serveUpgradesOf = (server: UpgradeServer): void => {
    const serve = (req: IncomingMessage, raw: Duplex, head: Buffer): void => {
      if (pathOf(req.url) === options.path) void upgrade(req, raw, head);
      // With a second listener on the server the upgrade may be theirs.
      else if (server.listenerCount('upgrade') === 1) {
        raw.on('error', () => undefined);
        refuse(raw, 404, `There is no WebSocket here; it is at ${options.path}`);
      }
    };
    const listener: UpgradeListener = (...args) => serve(...(args as [IncomingMessage, Duplex, Buffer]));
    server.on('upgrade', listener);
    servers.set(server, listener);
  };

  return {
    name: 'ws',
    ready,
    async listen(address) {
      await ready();
      const { serve } = await import('@vibeonrails/infra-core/http');
      running = await serve(() => new Response('WebSocket only\n', { status: 426 }), address);
      serveUpgradesOf(running.server);
      return running.port;
    },
    async attach(server) {
      await ready();
      serveUpgradesOf(server);
    },
    async close() {
      closed = true;
      for (const [server, listener] of servers) server.off('upgrade', listener);
      for (const raw of waiting) raw.destroy();
      for (const socket of sockets) socket.terminate();
      await running?.close(0);
    },
  };
}

function wire(socket: Socket, open: (socket: EngineSocket) => SocketEvents, forget: () => void): void {
  // A broken frame closes the socket; its error needs a listener, and 'close' tells the rest.
  socket.on('error', () => undefined);
  const events = open(toEngineSocket(socket));
  socket.on('message', (data, isBinary) => events.message(isBinary ? data : data.toString('utf8')));
  socket.on('close', (code) => {
    forget();
    events.closed(code);
  });
}

function toEngineSocket(socket: Socket): EngineSocket {
  return {
    send(text) {
      if (socket.readyState !== OPEN) return 'dropped';
      const before = socket.bufferedAmount;
      socket.send(text);
      return socket.bufferedAmount > before ? 'buffered' : 'sent';
    },
    get bufferedAmount() {
      return socket.readyState === OPEN ? socket.bufferedAmount : 0;
    },
    close(code, reason) {
      if (socket.readyState === OPEN) socket.close(code, reason);
    },
    terminate: () => socket.terminate(),
  };
}

function toRequest(req: IncomingMessage, signal: AbortSignal): UpgradeRequest {
  const headers: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(req.headers))
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  return {
    url: req.url ?? '/',
    headers,
    remoteAddress: req.socket.remoteAddress ?? '',
    encrypted: 'encrypted' in req.socket && req.socket.encrypted === true,
    signal,
  };
}

const pathOf = (url: string | undefined): string => url?.split('?', 1)[0] ?? '';

function refuse(raw: Duplex, status: number, reason: string): void {
  if (raw.destroyed) return;
  const body = `${reason}\n`;
  raw.end(
    `HTTP/1.1 ${status} Refused\r\nConnection: close\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => raw.destroy(),
  );
}
