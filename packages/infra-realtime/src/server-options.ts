import { type Clock, type Duration, type Env, systemClock, toMs } from '@vibeonrails/infra-core';
import type { Authenticate } from './admission.ts';
import { config, type RealtimeEngineName } from './config.ts';
import type { AnyChannel } from './define-channel.ts';
import type { EngineFactory, UpgradeRequest } from './engine.ts';
import type { UwsLibrary } from './engines/uws-library.ts';
import { RealtimeOptionError, RealtimeOriginsError } from './errors.ts';
import type { Realtime } from './realtime.ts';

/** What one connection, one address and the whole server may take. */
export interface ServerLimitOptions {
  /** The largest frame of a client, in bytes; a larger one closes its connection with 1009. @default 65536 */
  payload?: number;
  /** Bytes that may wait for a client that reads slowly. @default 1048576 */
  backpressure?: number;
  /** Connections of one address. Behind a proxy name it in `trustedProxies`. @default no limit */
  perIp?: number;
  /** Connections in all. @default no limit */
  connections?: number;
  /** Channels of one connection. @default 128 */
  channels?: number;
  /** Frames of one connection, over time; `channels` more may come at once. Beyond, it is closed with 4101. @default 50 */
  messagesPerSecond?: number;
  /** How long `authenticate`, `authorize` and a schema may take. @default '10s' */
  hookTimeout?: Duration;
}

/** {@link ServerLimitOptions}, complete. */
export interface ServerLimits extends Required<Omit<ServerLimitOptions, 'hookTimeout'>> {
  /** Milliseconds. */
  readonly hookTimeout: number;
}

/** How a server is made. */
export interface RealtimeServerOptions {
  /** @default REALTIME_PORT, else any free one */
  port?: number;
  /** @default '127.0.0.1' */
  hostname?: string;
  /** Where the WebSocket is. @default '/realtime' */
  path?: string;
  /** An engine by name, or one of your own. @default REALTIME_ENGINE, else 'auto' */
  engine?: RealtimeEngineName | EngineFactory;
  /** The module of uWebSockets.js, for the engines `uws` and `auto`. @default the installed `uWebSockets.js`, else `@uwsjs/core` */
  uws?: UwsLibrary;
  /** The channels that clients may subscribe to; the first that matches a name counts. @default none */
  channels?: readonly AnyChannel[];
  /** Says who a connection belongs to; null closes it with 4001. @default everyone is let in, as nobody in particular */
  authenticate?: Authenticate;
  /**
   * Origins whose pages may connect beside those of the same host: `'https://app.example.com'`; `'*'` for any,
   * `'self'` for no other. Required in production. @default REALTIME_ALLOWED_ORIGINS
   */
  allowedOrigins?: readonly string[];
  /** Addresses of proxies whose `X-Forwarded-For` is believed. @default none */
  trustedProxies?: readonly string[];
  /** How often clients are pinged; one that is silent from one ping to the next is dropped. @default '25s' */
  heartbeat?: Duration;
  limits?: ServerLimitOptions;
  /** The hub its clients join. @default the default one */
  realtime?: Realtime;
  /** @default the machine's clock */
  clock?: Clock;
  /** @default process.env */
  env?: Env;
}

/** {@link RealtimeServerOptions}, read: what a server is made from. */
export interface ServerPlan extends Pick<RealtimeServerOptions, 'uws'> {
  readonly port: number;
  readonly hostname: string;
  readonly path: string;
  readonly engine: RealtimeEngineName | EngineFactory;
  readonly channels: readonly AnyChannel[];
  readonly authenticate: Authenticate;
  mayConnect(request: UpgradeRequest): boolean;
  readonly trustedProxies: ReadonlySet<string>;
  /** Milliseconds between two pings. */
  readonly heartbeat: number;
  readonly limits: ServerLimits;
  readonly clock: Clock;
}

/**
 * Reads and completes the options of a server.
 *
 * @throws {@link RealtimeOriginsError} `E_REALTIME_ORIGINS`, {@link RealtimeOptionError} `E_REALTIME_OPTION`,
 *   {@link ConfigError} `E_CONFIG`.
 */
export function readServerOptions(options: RealtimeServerOptions): ServerPlan {
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
