import { type Clock, type Duration, type Env, toMs } from '@vibeonrails/infra-core';
import type { Authenticate } from './admission.ts';
import { config, type RealtimeEngineName } from './config.ts';
import type { AnyChannel } from './define-channel.ts';
import type { EngineFactory } from './engine.ts';
import { autoEngine } from './engines/auto.ts';
import { uwsEngine } from './engines/uws.ts';
import type { UwsLibrary } from './engines/uws-library.ts';
import { wsEngine } from './engines/ws.ts';
import { RealtimeOptionError } from './errors.ts';
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

const DEFAULTS = {
  payload: 65_536,
  backpressure: 1_048_576,
  perIp: Number.POSITIVE_INFINITY,
  connections: Number.POSITIVE_INFINITY,
  channels: 128,
  messagesPerSecond: 50,
} as const;

/** Completes the limits. @throws {@link RealtimeOptionError} `E_REALTIME_OPTION` for one that is not above 0. */
export function readLimits(given: ServerLimitOptions = {}): ServerLimits {
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

/** The path of a server. @throws {@link RealtimeOptionError} `E_REALTIME_OPTION` for one without a leading slash. */
export function readPath(path = '/realtime'): string {
  if (!path.startsWith('/') || /[?#\s]/.test(path))
    throw new RealtimeOptionError('path', `is ${JSON.stringify(path)}`, "Give a path such as '/realtime'.");
  return path;
}

/** The engine to use: option › REALTIME_ENGINE › the fastest there is. */
export function chooseEngine({ engine, uws, env }: RealtimeServerOptions): EngineFactory {
  if (typeof engine === 'function') return engine;
  const name: string = engine ?? config.read(env).REALTIME_ENGINE;
  if (name === 'auto') return autoEngine(uws);
  if (name === 'uws') return uwsEngine(uws);
  if (name === 'ws') return wsEngine;
  throw new RealtimeOptionError(
    'engine',
    `is ${JSON.stringify(name)}`,
    "Use 'auto', 'uws', 'ws' or an engine of your own.",
  );
}
