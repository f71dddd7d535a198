import { isIPv4 } from 'node:net';
import { logger, systemClock } from '@vibeonrails/infra-core';
import type {
  EngineFactory,
  EngineOptions,
  RealtimeEngine,
  UpgradeDecision,
  UpgradeRequest,
} from '../engine.ts';
import {
  findUws,
  noUws,
  type UwsApp,
  type UwsLibrary,
  type UwsRequest,
  type UwsResponse,
  unusable,
} from './uws-library.ts';
import { UwsSocket } from './uws-socket.ts';

type Accepted = Exclude<UpgradeDecision, { refuse: number }>;

/** What a socket carries from its upgrade on. */
interface Carried {
  readonly decision: Accepted;
  socket?: UwsSocket;
}

/**
 * Makes the engine on uWebSockets.js: native, on a port of its own. Give the module as `library`, or it is looked for
 * as `uWebSockets.js` and as `@uwsjs/core`.
 */
export const uwsEngine =
  (library?: UwsLibrary): EngineFactory =>
  (options) =>
    makeEngine(options, library);

function makeEngine(options: EngineOptions, given: UwsLibrary | undefined): RealtimeEngine {
  const apps = new Set<UwsApp>();
  let loading: Promise<UwsLibrary> | undefined;
  let closed = false;

  const load = async (): Promise<UwsLibrary> => {
    const library = given ?? (await findUws());
    if (!library) throw noUws();
    return library;
  };
  const ready = (): Promise<UwsLibrary> => {
    loading ??= load();
    return loading;
  };

  return {
    name: 'uws',
    ready: async () => void (await ready()),
    async listen({ port, hostname }) {
      const uws = await ready();
      const app = makeApp(uws);
      route(app, uws, options, () => closed);
      const socket = await new Promise<object | false>((resolve) => {
        // Without the flag two processes share a port in silence.
        app.listen(hostname, port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, resolve);
      });
      if (socket === false) {
        const { ListenError } = await import('@vibeonrails/infra-core/http');
        throw new ListenError(
          `${hostname}:${port}`,
          new Error('the port is taken, or the address is not ours'),
        );
      }
      apps.add(app);
      return uws.us_socket_local_port(socket);
    },
    async close() {
      closed = true;
      for (const app of apps) app.close();
      apps.clear();
    },
  };
}

/** A module that was given may be a stand-in which fails only now. */
function makeApp(uws: UwsLibrary): UwsApp {
  try {
    return uws.App();
  } catch (cause) {
    throw unusable('uWebSockets.js', cause);
  }
}

/** One pattern for all: in a path of the application's a `:` or `*` would have a meaning. */
function route(app: UwsApp, uws: UwsLibrary, options: EngineOptions, isClosed: () => boolean): void {
  const socketOf = (data: unknown): UwsSocket | undefined => (data as { carried: Carried }).carried.socket;
  app.ws('/*', {
    maxPayloadLength: options.maxPayload,
    maxBackpressure: options.maxBackpressure ?? 0,
    closeOnBackpressureLimit: false,
    // The server has a heartbeat of its own, also for what browsers cannot see.
    idleTimeout: 0,
    maxLifetime: 0,
    sendPingsAutomatically: false,
    compression: uws.DISABLED,
    upgrade(res, req, context) {
      upgrade(res, req, context, options, isClosed);
    },
    open(ws) {
      const { carried } = ws.getUserData() as { carried: Carried };
      const socket = new UwsSocket(ws, systemClock);
      carried.socket = socket;
      socket.listen(carried.decision.open(socket));
    },
    message: (ws, data, isBinary) => socketOf(ws.getUserData())?.message(data, isBinary),
    drain: (ws) => socketOf(ws.getUserData())?.drained(),
    close: (ws, code) => socketOf(ws.getUserData())?.closed(code),
  });
  app.any('/*', (res) => respond(res, '426 Upgrade Required', 'WebSocket only'));
}

/** Reads the request before it returns, and answers when the decision is there, unless the client has gone. */
function upgrade(
  res: UwsResponse,
  req: UwsRequest,
  context: object,
  options: EngineOptions,
  isClosed: () => boolean,
): void {
  const gone = new AbortController();
  // Without it the library ends the process.
  res.onAborted(() => gone.abort());
  if (req.getUrl() !== options.path) {
    respond(res, '404 Not Found', `There is no WebSocket here; it is at ${options.path}`);
    return;
  }
  const request = toRequest(res, req, gone.signal);
  const key = request.headers['sec-websocket-key'] ?? '';
  const answer = (decision: UpgradeDecision): void => {
    if ('refuse' in decision) {
      if (!gone.signal.aborted) respond(res, `${decision.refuse} Refused`, decision.reason);
    } else if (gone.signal.aborted || isClosed()) decision.abandoned();
    else
      res.cork(() => {
        const carried: Carried = { decision };
        res.upgrade({ carried }, key, decision.protocol ?? '', '', context);
      });
  };
  const fail = (err: unknown): void => {
    logger.error({ err, module: 'realtime' }, 'deciding on an upgrade failed');
    if (!gone.signal.aborted) respond(res, '500 Internal Server Error', 'Internal Server Error');
  };
  options.upgrade(request).then(answer, fail);
}

function respond(res: UwsResponse, status: string, reason: string): void {
  res.cork(() => {
    res.writeStatus(status).writeHeader('Content-Type', 'text/plain; charset=utf-8').end(`${reason}\n`, true);
  });
}

function toRequest(res: UwsResponse, req: UwsRequest, signal: AbortSignal): UpgradeRequest {
  const headers: Record<string, string> = Object.create(null);
  req.forEach((name, value) => {
    const former = headers[name];
    headers[name] = former === undefined ? value : `${former}, ${value}`;
  });
  const query = req.getQuery();
  return {
    url: query ? `${req.getUrl()}?${query}` : req.getUrl(),
    headers,
    remoteAddress: addressOf(Buffer.from(res.getRemoteAddressAsText()).toString()),
    encrypted: false,
    signal,
  };
}

const MAPPED = /^(?:0{1,4}:){5}ffff:([0-9a-f]{2})([0-9a-f]{2}):([0-9a-f]{2})([0-9a-f]{2})$/i;

/** As Node writes it: the library writes every digit of an IPv6 address, also of one that stands for an IPv4 one. */
export function addressOf(text: string): string {
  if (text === '' || isIPv4(text)) return text;
  const mapped = MAPPED.exec(text)?.slice(1);
  if (mapped) return mapped.map((byte) => Number.parseInt(byte, 16)).join('.');
  return URL.canParse(`http://[${text}]`) ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text;
}
