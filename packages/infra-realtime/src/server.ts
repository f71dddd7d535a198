import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { logger, onShutdown, systemClock, toMs } from '@vibeonrails/infra-core';
import { addressCounter, chooseProtocol, originCheck, takeSnapshot, withinTime } from './admission.ts';
import { config } from './config.ts';
import { Connection, type ConnectionHost } from './connection.ts';
import type { Identity } from './define-channel.ts';
import { type DrainOptions, drainClients } from './drain.ts';
import type { EngineSocket, SocketEvents, UpgradeDecision, UpgradeRequest } from './engine.ts';
import { RealtimeClosedError, RealtimeOptionError } from './errors.ts';
import { handle } from './module.ts';
import { CLOSE_CODES } from './protocol.ts';
import { chooseEngine, type RealtimeServerOptions, readLimits, readPath } from './server-options.ts';

/** How long drained clients may take to close their end. */
const GOODBYE_TIME = 2000;

/** What a server has done since it was made. */
export interface RealtimeServerStats {
  /** Open now. */
  readonly connections: number;
  readonly accepted: number;
  /** Connections that were not let in, by reason. */
  readonly refused: {
    readonly origin: number;
    readonly limit: number;
    readonly unauthorized: number;
    readonly draining: number;
    readonly failed: number;
  };
  /** Closed because they read too slowly. */
  readonly slow: number;
  /** Closed because they sent too fast. */
  readonly rate: number;
  /** Cut because they no longer answered. */
  readonly dead: number;
}

/** A WebSocket server whose clients join a hub. */
export interface RealtimeServer {
  /** Its engine's name, `ws` or `uws`; `auto` as long as that is not decided. */
  readonly engine: string;
  /** Where clients connect, such as `ws://127.0.0.1:3001/realtime`, once it listens on a port of its own. */
  readonly url: string | undefined;
  /** Listens on a port of its own. Resolves with its URL. @throws `E_LISTEN`, `E_REALTIME_ENGINE`. */
  listen(): Promise<string>;
  /** Serves the path on a Node HTTP server that the application listens with. @throws `E_REALTIME_OPTION` on an engine that cannot. */
  attach(server: Server): Promise<void>;
  /** Lets nobody in any more, tells each client when to come back and closes it. Runs by itself at shutdown. */
  drain(options?: DrainOptions): Promise<{ drained: number }>;
  /** Cuts what is left and frees the port. Idempotent. Runs by itself at shutdown. */
  close(): Promise<void>;
  /** Counts of this server. */
  stats(): RealtimeServerStats;
}

/**
 * Makes a WebSocket server; call `listen()` or `attach(server)` next.
 *
 * ```ts
 * const server = createRealtimeServer({ channels: [chat], authenticate: ({ token }) => userOf(token) });
 * await server.listen();
 * ```
 *
 * @throws {@link RealtimeOriginsError} `E_REALTIME_ORIGINS` in production without allowed origins,
 *   {@link RealtimeOptionError} `E_REALTIME_OPTION`, {@link ConfigError} `E_CONFIG`.
 */
export function createRealtimeServer(options: RealtimeServerOptions = {}): RealtimeServer {
  const { authenticate = () => ({}), hostname = '127.0.0.1', clock = systemClock } = options;
  const env = options.env ?? process.env;
  const values = config.read(env);
  const path = readPath(options.path);
  const limits = readLimits(options.limits);
  const heartbeat = toMs(options.heartbeat ?? '25s');
  const trustedProxies = new Set(options.trustedProxies);
  const mayConnect = originCheck(options.allowedOrigins ?? values.REALTIME_ALLOWED_ORIGINS, env);
  const addresses = addressCounter(limits.perIp);
  const connections = new Set<Connection>();
  const counts = { accepted: 0, slow: 0, rate: 0, dead: 0 };
  const refused = { origin: 0, limit: 0, unauthorized: 0, draining: 0, failed: 0 };
  let reserved = 0;
  let draining = false;
  let closing: Promise<void> | undefined;
  let url: string | undefined;
  let onEmpty = (): void => undefined;
  let stopHeartbeat = (): void => undefined;

  /** Made late: the default hub is made from the environment, at first use. */
  let shared: ConnectionHost | undefined;
  const host = (): ConnectionHost => {
    shared ??= {
      hub: options.realtime ?? handle.instance(),
      channels: options.channels ?? [],
      limits,
      clock,
      heartbeat,
      closing(code) {
        if (code === CLOSE_CODES.slow) counts.slow += 1;
        if (code === CLOSE_CODES.rate) counts.rate += 1;
      },
      ended(connection) {
        connections.delete(connection);
        release(connection.ip);
        if (connections.size === 0) onEmpty();
      },
    };
    return shared;
  };
  const release = (ip: string): void => {
    reserved -= 1;
    addresses.release(ip);
  };

  const no = (why: keyof typeof refused, status: number, reason: string): UpgradeDecision => {
    refused[why] += 1;
    return { refuse: status, reason };
  };

  async function upgrade(request: UpgradeRequest): Promise<UpgradeDecision> {
    if (draining) return no('draining', 503, 'This server is shutting down');
    if (!mayConnect(request)) return no('origin', 403, 'This origin may not connect');
    const snapshot = takeSnapshot(request, trustedProxies);
    if (reserved >= limits.connections) return no('limit', 503, 'Too many connections');
    if (!addresses.take(snapshot.ip)) return no('limit', 429, 'Too many connections from this address');
    reserved += 1;
    const { ip } = snapshot;
    try {
      const identity = await withinTime(clock, limits.hookTimeout, request.signal, () =>
        authenticate(snapshot),
      );
      if (draining) {
        release(ip);
        return no('draining', 503, 'This server is shutting down');
      }
      return {
        ...chooseProtocol(request),
        open: (socket) => admit(socket, identity, ip),
        abandoned: () => release(ip),
      };
    } catch (err) {
      release(ip);
      if (!request.signal.aborted) logger.error({ err, module: 'realtime' }, 'authenticate failed');
      return no('failed', 500, 'The connection could not be checked');
    }
  }

  function admit(socket: EngineSocket, identity: Identity | null, ip: string): SocketEvents {
    try {
      if (identity) {
        const connection = new Connection(
          host(),
          randomBytes(12).toString('base64url'),
          ip,
          identity,
          socket,
        );
        connections.add(connection);
        counts.accepted += 1;
        return connection;
      }
      // Let in and closed: of a refused upgrade a browser tells its page nothing.
      refused.unauthorized += 1;
      socket.close(CLOSE_CODES.unauthorized, 'not authenticated');
    } catch (err) {
      logger.error({ err, module: 'realtime' }, 'a connection could not be opened');
      refused.failed += 1;
      socket.close(1011, 'the connection could not be opened');
    }
    return { message: () => undefined, closed: () => release(ip) };
  }

  const beat = (): void => {
    for (const connection of connections) if (!connection.ping()) counts.dead += 1;
    stopHeartbeat = clock.after(heartbeat, beat);
  };
  stopHeartbeat = clock.after(heartbeat, beat);

  const engine = chooseEngine(options)({
    path,
    maxPayload: limits.payload,
    maxBackpressure: limits.backpressure,
    upgrade,
  });
  const forgetHooks = [
    onShutdown('realtime server: drain', ({ signal }) => drain({ signal }), { phase: 'drain' }),
    onShutdown('realtime server', () => close(), { phase: 'stop' }),
  ];

  async function drain(how?: DrainOptions): Promise<{ drained: number }> {
    draining = true;
    const { hub } = host();
    const report = await drainClients(
      [...connections],
      (client) => hub.unregisterClient(client.id),
      clock,
      how,
    );
    // A socket that is cut before its goodbye was read may lose it.
    if (connections.size > 0 && !how?.signal?.aborted)
      await new Promise<void>((resolve) => {
        const cancel = clock.after(GOODBYE_TIME, resolve);
        onEmpty = () => {
          cancel();
          resolve();
        };
      });
    return report;
  }

  async function shut(): Promise<void> {
    draining = true;
    stopHeartbeat();
    for (const forget of forgetHooks) forget();
    await engine.close();
  }
  const close = (): Promise<void> => {
    closing ??= shut();
    return closing;
  };

  return {
    get engine() {
      return engine.name;
    },
    get url() {
      return url;
    },
    async listen() {
      if (closing) throw new RealtimeClosedError('server');
      if (url) return url;
      await host().hub.ready();
      const port = await engine.listen({ port: options.port ?? values.REALTIME_PORT, hostname });
      url = `ws://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}${path}`;
      return url;
    },
    async attach(server) {
      if (closing) throw new RealtimeClosedError('server');
      if (!engine.attach)
        throw new RealtimeOptionError(
          'engine',
          `${engine.name} cannot share a port`,
          "Use engine: 'ws', or listen().",
        );
      await host().hub.ready();
      await engine.attach(server);
    },
    drain,
    close,
    stats: () => ({ connections: connections.size, ...counts, refused: { ...refused } }),
  };
}
