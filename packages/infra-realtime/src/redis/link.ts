import type { Clock, Env } from '@vibeonrails/infra-core';
import {
  connectRedis,
  mastersOf,
  type RedisClient,
  type RedisConnection,
  type RedisTlsOptions,
} from '@vibeonrails/infra-redis';

/** How the link is made; what is not given comes from the environment. */
export interface LinkOptions {
  readonly url?: string | undefined;
  readonly client?: RedisClient | undefined;
  readonly tls?: RedisTlsOptions | undefined;
  /** Milliseconds a command may take. */
  readonly timeout: number;
  /** Milliseconds a connection may take. */
  readonly connectTimeout: number;
  readonly clock: Clock;
  readonly env?: Env | undefined;
  /** Called once there is a connection that has registered itself for shutdown. */
  onOpen(): void;
  /** Called when a command could not be done. */
  onTrouble(): void;
}

/** The driver's connection for commands. */
export interface Link {
  ready(): Promise<void>;
  /** Works with the client for the time of a command at most. While the connection is down it rejects at once. */
  run<T>(work: (client: RedisClient) => T | Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Makes a {@link Link}; it connects at `ready()` or at its first use. */
export function redisLink(options: LinkOptions): Link {
  let connection: RedisConnection | undefined;
  let closed = false;
  const open = (): RedisConnection => {
    connection ??= connect(options);
    return connection;
  };
  return {
    ready: async () => open().ready(),
    async run(work) {
      try {
        if (closed) throw new Error('the driver is closed');
        return await open().run(work);
      } catch (thrown) {
        options.onTrouble();
        throw thrown;
      }
    },
    async close() {
      closed = true;
      await connection?.close();
    },
  };
}

/** No message may come late or twice: whoever is told of a failure decides. */
function connect(options: LinkOptions): RedisConnection {
  const { url, client, tls, env, timeout, connectTimeout, clock } = options;
  const made = connectRedis({
    for: 'realtime',
    commandTimeout: timeout,
    connectTimeout,
    failFast: true,
    clock,
    ...(url === undefined ? {} : { url }),
    ...(client === undefined ? {} : { client }),
    ...(tls === undefined ? {} : { tls }),
    ...(env === undefined ? {} : { env }),
  });
  options.onOpen();
  return made;
}

/**
 * The server to publish a channel on. A cluster carries a message from any node to all; one node for a channel keeps
 * its messages in order, and a node's own client never sends a command twice.
 */
export function nodeFor(client: RedisClient, channel: string): RedisClient {
  const nodes = mastersOf(client);
  let hash = 0;
  for (let i = 0; i < channel.length; i += 1) hash = (hash * 31 + channel.charCodeAt(i)) >>> 0;
  return nodes[hash % nodes.length] ?? client;
}
