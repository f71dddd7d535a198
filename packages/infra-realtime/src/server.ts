import { config, type RealtimeEngineName } from './config.ts';
import { type Env, onShutdown, systemClock, toMs } from './core.ts';
import type { DrainOptions } from './drain.ts';
import type { EngineFactory, UpgradeRequest, UpgradeServer } from './engine.ts';
import { loading, RealtimeClosedError, RealtimeOptionError, RealtimeOriginsError } from './errors.ts';
import type { Gateway } from './gateway.ts';
import { handle } from './module.ts';
import type {
  RealtimeServerOptions,
  ServerLimitOptions,
  ServerLimits,
  ServerPlan,
} from './server-options.ts';

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

/**
 * Reads and completes the options of a server.
 *
 * @throws {@link RealtimeOriginsError} `E_REALTIME_ORIGINS`, {@link RealtimeOptionError} `E_REALTIME_OPTION`,
 *   {@link ConfigError} `E_CONFIG`.
 */
function readServerOptions(options: RealtimeServerOptions): ServerPlan {
  const env = options.env ?? process.env;
  const values = config.read(env);
  return {
    port: options.port ?? values.REALTIME_PORT,
    hostname: options.hostname ?? '127.0.0.1',
    path: readPath(options.path),
    engine: readEngine(options.engine ?? values.REALTIME_ENGINE),
    ...(options.uws === undefined ? {} : { uws: options.uws }),
    channels: options.channels ?? [],
    authenticate: options.authenticate ?? (() => ({})),
    mayConnect: originCheck(options.allowedOrigins ?? values.REALTIME_ALLOWED_ORIGINS, env),
    trustedProxies: new Set(options.trustedProxies),
    heartbeat: toMs(options.heartbeat ?? '25s'),
    limits: readLimits(options.limits),
    clock: options.clock ?? systemClock,
  };
}

const DEFAULTS = {
  payload: 65_536,
  backpressure: 1_048_576,
  perIp: Number.POSITIVE_INFINITY,
  connections: Number.POSITIVE_INFINITY,
  channels: 128,
  messagesPerSecond: 50,
} as const;

function readLimits(given: ServerLimitOptions = {}): ServerLimits {
  const { hookTimeout = '10s', ...numbers } = given;
  const limits: Record<keyof typeof DEFAULTS, number> = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    const value = numbers[name] ?? DEFAULTS[name];
    if (!(value > 0))
      throw new RealtimeOptionError(`limits.${name}`, `is ${value}`, 'Give a number above 0.');
    limits[name] = value;
  }
  return { ...limits, hookTimeout: toMs(hookTimeout) };
}

function readPath(path = '/realtime'): string {
  if (!path.startsWith('/') || /[?#\s]/.test(path))
    throw new RealtimeOptionError('path', `is ${JSON.stringify(path)}`, "Give a path such as '/realtime'.");
  return path;
}

function readEngine(engine: RealtimeEngineName | EngineFactory): RealtimeEngineName | EngineFactory {
  if (typeof engine === 'function' || ['auto', 'uws', 'ws'].includes(engine)) return engine;
  throw new RealtimeOptionError(
    'engine',
    `is ${JSON.stringify(engine)}`,
    "Use 'auto', 'uws', 'ws' or an engine of your own.",
  );
}

/** Against cross-site WebSocket hijacking. Without an Origin header the client is no browser and passes. */
function originCheck(given: readonly string[] | undefined, env: Env): (request: UpgradeRequest) => boolean {
  if (!given && env.NODE_ENV === 'production') throw new RealtimeOriginsError();
  const any = given?.includes('*') ?? false;
  const allowed = new Set(
    (given ?? []).filter((origin) => origin !== '*' && origin !== 'self').map(readOrigin),
  );
  return ({ headers }) => {
    const { origin, host } = headers;
    if (origin === undefined || any || allowed.has(origin.toLowerCase())) return true;
    return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
  };
}

function readOrigin(text: string): string {
  const origin = URL.canParse(text) ? new URL(text).origin : 'null';
  if (origin === 'null' || origin !== text.replace(/\/$/, '').toLowerCase())
    throw new RealtimeOptionError(
      'allowedOrigins',
      `holds ${JSON.stringify(text)}, which is no origin`,
      "Write scheme and host alone, such as 'https://app.example.com'; 'self' for the same host, '*' for any.",
    );
  return origin;
}
