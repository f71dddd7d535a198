import type { Authenticate } from './admission.ts';
import type { AnyChannel } from './channel-types.ts';
import type { RealtimeEngineName } from './config.ts';
import type { Clock, Duration, Env } from './core.ts';
import type { EngineFactory, UpgradeRequest } from './engine.ts';
import type { UwsLibrary } from './engines/uws-library.ts';
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
