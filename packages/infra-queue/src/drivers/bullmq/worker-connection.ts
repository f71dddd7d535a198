import type { connectRedis, RedisClient, RedisConnection } from '@vibeonrails/infra-redis';
import type { StoreOptions } from './store.ts';

/** The part of an ioredis client that copies it with other settings. */
interface Copyable {
  readonly isCluster: boolean;
  readonly options?: { readonly redisOptions?: object };
  duplicate(nodes?: unknown, options?: unknown): RedisClient;
}

/** What BullMQ's workers need: their commands wait, for jobs and for a server that is away. */
const PATIENT = { maxRetriesPerRequest: null, commandTimeout: undefined, socketTimeout: undefined };

/** The connection that the workers of a process share; each adds one of its own that blocks. */
export async function workerSource(
  { client, ...redis }: StoreOptions['redis'],
  connect: typeof connectRedis,
): Promise<RedisConnection> {
  const name = 'infra-queue-worker';
  if (!client) return connect({ for: 'queue', ...redis, name, commandTimeout: false, maxRetries: null });
  const copy = copyOf(client as unknown as Copyable);
  // From the start and to the end, so that no error of it goes unheard.
  copy.on('error', () => undefined);
  const connection = connect({ client: copy, name, commandTimeout: false });
  // A client that is passed in is left open there, and this one is ours.
  return Object.create(connection, {
    close: {
      value: async () => {
        await connection.close();
        copy.disconnect();
      },
    },
  }) as RedisConnection;
}

function copyOf(client: Copyable): RedisClient {
  if (!client.isCluster) return client.duplicate(PATIENT);
  return client.duplicate(undefined, { redisOptions: { ...client.options?.redisOptions, ...PATIENT } });
}
