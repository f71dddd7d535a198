/**
 * A `Buffer`, by its shape: these declarations are to be of use without the types of Node.js. A `Uint8Array` of another
 * kind is none, and would be sent as text.
 */
export interface RedisBytes extends Uint8Array {
  equals(other: Uint8Array): boolean;
}

/** What a command takes. */
export type RedisArgument = string | number | RedisBytes;

/**
 * The part of an ioredis client that the packages use. `Redis` and `Cluster` of ioredis 5.11 and 6 fit it; no type
 * of ioredis appears in public declarations, so the version an application has is its own affair.
 */
export interface RedisClient {
  /** `wait`, `connecting`, `connect`, `ready`, `reconnecting`, `close` or `end`. */
  readonly status: string;
  readonly isCluster: boolean;
  connect(): Promise<unknown>;
  /** Sends any command: `call('SET', key, value, 'PX', 500)`. */
  call(command: string, ...args: RedisArgument[]): Promise<unknown>;
  /** The same with replies as bytes. */
  callBuffer(command: string, ...args: RedisArgument[]): Promise<unknown>;
  /** Sends commands in one go: `pipeline([['get', 'a'], ['get', 'b']]).exec()`. On a cluster all keys must share a slot. */
  pipeline(commands?: unknown[][]): RedisPipeline;
  /** Like {@link RedisClient.pipeline}, as one transaction. */
  multi(commands?: unknown[][]): RedisPipeline;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  /** Another connection of the same settings. */
  duplicate(): RedisClient;
  /** Closes after the replies that are under way. */
  quit(): Promise<unknown>;
  /** Closes at once. */
  disconnect(): void;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** Commands that are sent in one go. */
export interface RedisPipeline {
  /** Each command's error or reply, in order. */
  exec(): Promise<[error: Error | null, reply: unknown][] | null>;
}

/** A connection to Redis: a client, and what is around it. */
export interface RedisConnection {
  /** Its name in `CLIENT LIST`, logs and health reports. */
  readonly name: string;
  /** Where it leads, without user and password. */
  readonly address: string;
  /** The client itself. @throws `E_REDIS_NOT_READY` before the first `ready()` or `run()`, `E_REDIS_CLOSED` after `close()`. */
  readonly client: RedisClient;
  /**
   * Resolves when the server answers. An unreachable one is tried again until the time for connecting is over, and in
   * the background after that; a later call waits again.
   *
   * @throws `E_REDIS_CONNECT`, `E_REDIS_AUTH`, `E_REDIS_TLS` or `E_REDIS_SETUP`, never with the password.
   */
  ready(): Promise<void>;
  /**
   * Works with the client, for the time of one command at most, and turns the client's failures into coded errors.
   *
   * @throws `E_REDIS_UNAVAILABLE`, `E_REDIS_TIMEOUT` or `E_REDIS_REPLY`; at the first use also what `ready()` throws.
   */
  run<T>(work: (client: RedisClient) => T | Promise<T>): Promise<T>;
  /** Another connection of the same settings, such as one for subscriptions; close it like this one. */
  duplicate(name?: string): RedisConnection;
  /** Lets the replies under way come in for a second, then closes. A client passed in by the application stays open. Idempotent. */
  close(): Promise<void>;
}

/** How an encrypted connection is made: options of `node:tls`. */
export interface RedisTlsOptions {
  /** The certificate authority to trust, in PEM form. @default the system's */
  readonly ca?: string | Uint8Array | (string | Uint8Array)[];
  /** A certificate of the client's, where the server asks for one. */
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  readonly passphrase?: string;
  /** The name that the server's certificate must be for. @default the host */
  readonly servername?: string;
  /** False accepts every certificate, and so every server that claims to be this one. @default true */
  readonly rejectUnauthorized?: boolean;
}
