import type { Clock, Env } from '@vibeonrails/infra-core';
import type { RedisClient, RedisConnection, RedisTlsOptions } from '@vibeonrails/infra-redis';

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
  let opening: Promise<RedisConnection> | undefined;
  let closed = false;
  const open = (): Promise<RedisConnection> => {
    opening ??= connect(options);
    return opening;
  };
  return {
    ready: async () => (await open()).ready(),
    async run(work) {
      try {
        if (closed) throw new Error('the driver is closed');
        const redis = await open();
        return await redis.run((client) => {
          // A client of the application's may keep commands for later: a message must not come late.
          if (client.status !== 'ready') throw new Error('Connection is closed.');
          return work(client);
        });
      } catch (thrown) {
        options.onTrouble();
        throw thrown;
      }
    },
    async close() {
      closed = true;
      await opening?.then(
        (redis) => redis.close(),
        () => undefined,
      );
    },
  };
}

/** No command waits for a connection, and none is sent a second time: whoever is told of a failure decides. */
async function connect(options: LinkOptions): Promise<RedisConnection> {
  const { url, client, tls, env, timeout, connectTimeout, clock } = options;
  const { connectRedis } = await import('@vibeonrails/infra-redis');
  const made = connectRedis({
    for: 'realtime',
    commandTimeout: timeout,
    connectTimeout,
    maxRetries: 0,
    offlineQueue: false,
    clock,
    ...(url === undefined ? {} : { url }),
    ...(client === undefined ? {} : { client }),
    ...(tls === undefined ? {} : { tls }),
    ...(env === undefined ? {} : { env }),
  });
  options.onOpen();
  return made;
}

/** One server of a cluster. */
interface Node extends RedisClient {
  readonly options: { readonly host?: string; readonly port?: number };
}

/** The servers: the client itself, or the masters of a cluster, always in the same order. */
export function nodesOf(client: RedisClient): readonly RedisClient[] {
  if (!client.isCluster) return [client];
  const nodes = (client as RedisClient & { nodes(role: 'master'): Node[] }).nodes('master');
  const name = ({ options: { host, port } }: Node): string => `${host}:${port}`;
  return nodes.sort((a, b) => (name(a) < name(b) ? -1 : 1));
}

/**
 * The server to publish a channel on. A cluster carries a message from any node to all; one node for a channel keeps
 * its messages in order, and a node's own client never sends a command twice.
 */
export function nodeFor(client: RedisClient, channel: string): RedisClient {
  const nodes = nodesOf(client);
  let hash = 0;
  for (let i = 0; i < channel.length; i += 1) hash = (hash * 31 + channel.charCodeAt(i)) >>> 0;
  return nodes[hash % nodes.length] ?? client;
}
