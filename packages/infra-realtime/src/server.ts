import { onShutdown } from '@vibeonrails/infra-core';
import type { DrainOptions } from './drain.ts';
import type { UpgradeServer } from './engine.ts';
import { loading, RealtimeClosedError } from './errors.ts';
import type { Gateway } from './gateway.ts';
import { handle } from './module.ts';
import { type RealtimeServerOptions, readServerOptions } from './server-options.ts';

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
  /** Its engine's name, `ws` or `uws`; `auto` as long as that is not decided, `own` for one of yours until it serves. */
  readonly engine: string;
  /** Where clients connect, such as `ws://127.0.0.1:3001/realtime`, once it listens on a port of its own. */
  readonly url: string | undefined;
  /** Listens on a port of its own. Resolves with its URL. @throws `E_LISTEN`, `E_REALTIME_ENGINE`. */
  listen(): Promise<string>;
  /** Serves the path on a Node HTTP server that the application listens with. @throws `E_REALTIME_OPTION` on an engine that cannot. */
  attach(server: UpgradeServer): Promise<void>;
  /** Lets nobody in any more, tells each client when to come back and closes it. Runs by itself at shutdown. */
  drain(options?: DrainOptions): Promise<{ drained: number }>;
  /** Cuts what is left and frees the port. Idempotent. Runs by itself at shutdown. */
  close(): Promise<void>;
  /** Counts of this server. */
  stats(): RealtimeServerStats;
}

const NOTHING_YET: RealtimeServerStats = {
  connections: 0,
  accepted: 0,
  refused: { origin: 0, limit: 0, unauthorized: 0, draining: 0, failed: 0 },
  slow: 0,
  rate: 0,
  dead: 0,
};

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
  const plan = readServerOptions(options);
  let gateway: Gateway | undefined;
  let opening: Promise<Gateway> | undefined;
  let draining = false;
  let closing: Promise<void> | undefined;
  let url: string | undefined;

  const open = async (): Promise<Gateway> => {
    const { createGateway } = await loading('the server', import('./gateway.ts'));
    // The default hub is made from the environment at its first use: not before this server is used itself.
    gateway = createGateway(plan, () => options.realtime ?? handle.instance());
    if (draining) await gateway.drain();
    if (closing) await gateway.close();
    return gateway;
  };
  const opened = (): Promise<Gateway> => {
    if (closing) return Promise.reject(new RealtimeClosedError('server'));
    opening ??= open();
    return opening;
  };

  async function drain(how?: DrainOptions): Promise<{ drained: number }> {
    draining = true;
    return gateway ? gateway.drain(how) : { drained: 0 };
  }
  async function shut(): Promise<void> {
    for (const forget of forgetHooks) forget();
    await opening?.catch(() => undefined);
    await gateway?.close();
  }
  const close = (): Promise<void> => {
    closing ??= shut();
    return closing;
  };
  const forgetHooks = [
    onShutdown('realtime server: drain', ({ signal }) => drain({ signal }), { phase: 'drain' }),
    onShutdown('realtime server', () => close(), { phase: 'stop' }),
  ];

  return {
    get engine() {
      return gateway?.engine ?? (typeof plan.engine === 'string' ? plan.engine : 'own');
    },
    get url() {
      return url;
    },
    async listen() {
      url ??= await (await opened()).listen();
      if (closing) throw new RealtimeClosedError('server');
      return url;
    },
    attach: async (server) => (await opened()).attach(server),
    drain,
    close,
    stats: () => gateway?.stats() ?? NOTHING_YET,
  };
}
