import type { RedisClient, RedisTlsOptions } from '@vibeonrails/infra-redis';
import type { EventsOf } from './channel-types.ts';
import type { RealtimeDriverName } from './config.ts';
import type { Clock, Duration, Env, ModuleInstance } from './core.ts';
import type { DrainOptions } from './drain.ts';
import type { Position, RealtimeDriver } from './driver.ts';

/** How a hub is made. */
export interface RealtimeOptions {
  /** A broker by name, or one of your own. @default REALTIME_DRIVER, else redis where there is an address of one, else memory */
  driver?: RealtimeDriverName | RealtimeDriver;
  /** How Redis is reached (redis driver). */
  redis?: RealtimeRedisOptions;
  /** @default the machine's clock */
  clock?: Clock;
  /** @default process.env */
  env?: Env;
}

/** How the hub reaches Redis. */
export interface RealtimeRedisOptions {
  /** @default REALTIME_REDIS_URL, else REDIS_URL */
  url?: string;
  /** A client of the application's, of ioredis 5.11 or 6, in place of a URL. It is never closed here. */
  client?: RedisClient;
  /** How a `rediss` connection is encrypted. @default the system's certificate authorities, or `?ca=` of the URL */
  tls?: RedisTlsOptions;
  /** Put before every channel and key: hubs of one namespace are one, others do not hear them. @default 'realtime' */
  namespace?: string;
  /** How long a command may take. @default '5s' */
  timeout?: Duration;
  /** How long `ready()` waits, and each attempt to connect. @default '5s' */
  connectTimeout?: Duration;
  /**
   * When the members of a process that died are counted as gone. It is renewed three times in this time. Below 15
   * seconds an outage of Redis may make members leave and join again: a connection may take that long to come back.
   * @default '60s'
   */
  lease?: Duration;
}

/** What a client's `send` may answer. A promise that rejects means that the client is gone. */
// biome-ignore lint/suspicious/noConfusingVoidType: `send: (d) => ws.send(d)` returns void
export type SendResult = void | boolean | number | Promise<unknown>;

/** A client of any transport: a WebSocket, server-sent events, a test. */
export interface RealtimeClient {
  /** The id of the connection, not of the user: two tabs are two clients. */
  readonly id: string;
  /** Whose it is, for `toUser` and `disconnectUser`. */
  readonly userId?: string;
  /** Writes one text frame. When it throws or rejects, the client is dropped; nobody else notices. */
  send(data: string): SendResult;
  /** Ends the connection. Called once the client is no longer registered; what it throws is ignored. */
  close(code?: number, reason?: string): unknown;
  /** Bytes that were sent and are still in this process. Without it a client is never found to be slow. */
  bufferedAmount?(): number;
  /** The bytes from which on it counts as slow. @default 1 MiB */
  readonly maxBufferedAmount?: number;
}

/** What to do on a channel with a client that reads slower than it is written to. */
export type SlowPolicy = 'close' | 'drop';

/** What happened to clients and messages since the start. */
export interface DeliveryCounts {
  /** Messages handed to clients. */
  delivered: number;
  /** Messages not sent to slow clients on channels with `onSlow: 'drop'`. */
  skipped: number;
  /** Clients closed because they were slow. */
  slow: number;
  /** Clients dropped because their `send` failed. */
  broken: number;
}

/** How a client is registered. */
export interface RegisterOptions {
  /** What to do when the id is in use: `replace` drops and closes the former client, `reject` throws. @default 'replace' */
  onDuplicate?: 'replace' | 'reject';
}

/** How a client is subscribed. */
export interface SubscribeOptions {
  /** True, or what the others see of it (JSON), to count it among those present. @default false */
  presence?: boolean | { readonly info?: unknown };
  /** What to do when the client reads too slowly. @default 'close' */
  onSlow?: SlowPolicy;
}

/** A subscription that was made. */
export interface SubscribeResult {
  /**
   * Resolves when the broker has confirmed, and presence counts the client: what any process publishes from then on
   * arrives. Rejects with `E_REALTIME_BROKER` when it refused; the subscription is gone then. May be left alone.
   */
  readonly ready: Promise<void>;
}

/** How a message is published. */
export interface PublishOptions {
  /** The id of a client that must not get it: usually the one it came from. */
  except?: string;
}

/** Who is in a channel, as everyone sees it. */
export interface Member {
  /** The user's id; the client's own where it has no user. */
  readonly id: string;
  /** What `authorize`, or the subscription, said of them. */
  readonly info?: unknown;
}

/** What a hub has to do, and has done since it was made. In this process alone. */
export interface RealtimeStats extends Readonly<DeliveryCounts> {
  readonly clients: number;
  /** Channels with at least one client here. */
  readonly channels: number;
  readonly subscriptions: number;
  readonly published: number;
}

/** Clients, the channels they are subscribed to, and what is published to them: whatever the transport. */
export interface Realtime extends ModuleInstance {
  /** Makes a client reachable. The returned function unregisters it. @throws `E_REALTIME_CLIENT`. */
  registerClient(client: RealtimeClient, options?: RegisterOptions): () => void;
  /** Forgets a client and its subscriptions; it is not closed. False when it was not registered. */
  unregisterClient(id: string): boolean;
  /** Subscribes a client, at once. @throws `E_REALTIME_CLIENT_UNKNOWN`, `E_REALTIME_CHANNEL_NAME`. */
  subscribe(channel: string, clientId: string, options?: SubscribeOptions): SubscribeResult;
  /** Ends a subscription. False when there was none. */
  unsubscribe(channel: string, clientId: string): boolean;
  /** The ids of the clients of this process that are subscribed, in the order in which they came. */
  getSubscribers(channel: string): string[];
  /**
   * Sends an event to everyone subscribed, on every process; resolves when the broker has it. With a name made by
   * a channel's `name()`, event and data are typed. Delivery is at most once, in order per channel and process.
   *
   * @throws `E_REALTIME_PAYLOAD` when the data has no JSON form, `E_REALTIME_BROKER` when the broker is away.
   */
  publish<C extends string, N extends keyof EventsOf<C> & string>(
    channel: C,
    event: N,
    data: EventsOf<C>[N],
    options?: PublishOptions,
  ): Promise<Partial<Position>>;
  /** Sends an event to every connection of a user, on every process. */
  toUser(userId: string, event: string, data: unknown): Promise<void>;
  /** Closes every connection of a user, on every process. @default code 4003: the browser client does not come back */
  disconnectUser(userId: string, code?: number): Promise<void>;
  /** Who is in a channel, over all processes. */
  presence(channel: string): Promise<Member[]>;
  /** Says goodbye to every client of this process, each with its own time to come back, and closes them in batches. */
  drain(options?: DrainOptions): Promise<{ drained: number }>;
  /** Counts of this process. */
  stats(): RealtimeStats;
  /** The broker's name, such as `memory`. */
  readonly driver: string;
}
