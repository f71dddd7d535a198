import {
  atDeadline,
  type Clock,
  type InfraError,
  isInfraError,
  type Logger,
  messageOf,
} from '@vibeonrails/infra-core';
import type { ConnectRedisOptions, RedisClient, RedisConnection } from '@vibeonrails/infra-redis';
import type { Queue } from 'bullmq';
import { QueueClosedError, QueueUnavailableError, RedisVersionError } from '../../errors.ts';
import { keysOf, type QueueKeys, registryKey } from './keys.ts';
import type { QueueRedisOptions } from './redis-options.ts';
import { type ServerTime, serverTime } from './server-time.ts';
import { workerSource } from './worker-connection.ts';

/** BullMQ's module. */
export type Bullmq = typeof import('bullmq');

/** How a {@link Store} is made. */
export interface StoreOptions {
  readonly redis: QueueRedisOptions & Pick<ConnectRedisOptions, 'env'>;
  /** What every key starts with. */
  readonly prefix: string;
  /** How long a call may take, in milliseconds. */
  readonly timeout: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What a call works with. */
export interface Access {
  readonly client: RedisClient;
  readonly bullmq: Bullmq;
  /** BullMQ's producer side of a queue. */
  queue(name: string): Queue;
}

/** The Redis that jobs are kept in, and BullMQ over it. */
export interface Store {
  readonly prefix: string;
  readonly time: ServerTime;
  /** Connects and looks at the server. */
  ready(): Promise<void>;
  /** Works with the store, within the deadline. @throws `E_QUEUE_UNAVAILABLE`, `E_QUEUE_CLOSED`, or what Redis refuses for good. */
  run<T>(work: (access: Access) => Promise<T>): Promise<T>;
  /** What a call on a queue works with, where nothing has to be waited for: connected, and the queue noted. */
  atHand(queue: string): Access | undefined;
  /** The connection of the workers, whose commands wait for a server that is away. */
  forWorkers(): Promise<{ connection: RedisConnection; bullmq: Bullmq }>;
  /** Makes the connection of the workers anew. Commands without a reply are sent again. */
  reconnectWorkers(): Promise<void>;
  keys(queue: string): QueueKeys;
  /** Remembers that a queue exists. */
  note(access: Access, queue: string): Promise<void>;
  /** The names of the queues that exist. */
  names(access: Access): Promise<string[]>;
  close(): Promise<void>;
}

const MIN_VERSION = [6, 2] as const;
/** A queue is noted again after this long: the store may have been emptied. */
const NOTE_FOR = 10_000;

/** Makes a {@link Store}. It loads and connects at first use. */
export function openStore(options: StoreOptions): Store {
  const { prefix, timeout, clock, log } = options;
  const queues = new Map<string, Queue>();
  const noted = new Map<string, number>();
  const time = serverTime();
  let producing: RedisClient | undefined;
  let latest: Access | undefined;
  let opening: Promise<{ bullmq: Bullmq; producer: RedisConnection }> | undefined;
  let checked: Promise<void> | undefined;
  let workers: Promise<RedisConnection> | undefined;
  let closed: Promise<void> | undefined;

  const open = (): NonNullable<typeof opening> => {
    opening ??= (async () => {
      const [{ connectRedis }, bullmq] = await Promise.all([
        import('@vibeonrails/infra-redis'),
        import('bullmq'),
      ]);
      const bounds = { connectTimeout: timeout, commandTimeout: timeout, maxRetries: 6 };
      return { bullmq, producer: connectRedis({ for: 'queue', ...options.redis, ...bounds }) };
    })();
    opening.catch(() => {
      opening = undefined;
    });
    return opening;
  };
  /** Connects and looks at the server, once; after a failure, again. */
  const check = (): Promise<void> => {
    checked ??= (async () => {
      const { producer } = await open();
      await producer.ready();
      await producer.run(checkVersion);
      await producer.run(time.measure);
    })();
    checked.catch(() => {
      checked = undefined;
    });
    return checked;
  };
  const queueOf = (bullmq: Bullmq, client: RedisClient, name: string): Queue => {
    // The connection makes another client when the first cannot be used any more.
    if (client !== producing) queues.clear();
    producing = client;
    const found = queues.get(name);
    if (found) return found;
    const queue = new bullmq.Queue(name, {
      connection: client as never,
      prefix: keysOf(prefix, name).prefix,
      skipVersionCheck: true,
      streams: { events: { maxLen: 1000 } },
    });
    queue.on('error', (err) => log.debug({ err, queue: name }, 'the connection of a queue failed'));
    queues.set(name, queue);
    return queue;
  };
  const isNoted = (queue: string): boolean => (noted.get(queue) ?? 0) > Date.now() - NOTE_FOR;
  /**
   * A connection that gave no answer in time is made anew. Its server may be a master that was replaced while it was frozen:
   * when it comes back, it would still answer what it was sent, and what it stored would go with it.
   */
  const leaveSilent = (): void => {
    const client = latest?.client as { status: string; disconnect(reconnect: boolean): void } | undefined;
    if (client?.status === 'ready' && !options.redis.client) client.disconnect(true);
  };
  const bounded = <T>(work: () => Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const cancel = atDeadline(clock, timeout, () => {
        reject(new QueueUnavailableError(`no answer within ${timeout} ms`));
        leaveSilent();
      });
      work().then(resolve, reject).finally(cancel);
    });

  /** {@link bounded}, and closing waits for it. */
  const calls = new Set<Promise<unknown>>();
  const ongoing = async <T>(work: () => Promise<T>): Promise<T> => {
    const call = bounded(work);
    calls.add(call);
    try {
      return await call;
    } finally {
      calls.delete(call);
    }
  };

  return {
    prefix,
    time,
    ready: async () => {
      if (closed) throw new QueueClosedError();
      await check();
    },
    async run(work) {
      if (closed) throw new QueueClosedError();
      try {
        return await ongoing(async () => {
          await check();
          const { bullmq, producer } = await open();
          return producer.run((client) => {
            if (latest?.client !== client)
              latest = { client, bullmq, queue: (name) => queueOf(bullmq, client, name) };
            return work(latest);
          });
        });
      } catch (thrown) {
        throw closed ? new QueueClosedError() : unavailable(thrown);
      }
    },
    atHand(queue) {
      if (closed || latest?.client.status !== 'ready' || !isNoted(queue)) return undefined;
      return latest;
    },
    async forWorkers() {
      if (closed) throw new QueueClosedError();
      const { bullmq } = await open();
      const { connectRedis } = await import('@vibeonrails/infra-redis');
      workers ??= workerSource(options.redis, connectRedis);
      const connection = await workers;
      await connection.ready();
      return { connection, bullmq };
    },
    async reconnectWorkers() {
      const client = (await workers)?.client as { disconnect(reconnect: boolean): void } | undefined;
      client?.disconnect(true);
    },
    keys: (queue) => keysOf(prefix, queue),
    async note({ client }, queue) {
      if (isNoted(queue)) return;
      await Promise.all([client.call('SADD', registryKey(prefix), queue), time.measure(client)]);
      noted.set(queue, Date.now());
    },
    names: async ({ client }) => {
      const names = (await client.call('SMEMBERS', registryKey(prefix))) as string[];
      return [...names].sort();
    },
    close() {
      closed ??= (async () => {
        await Promise.allSettled(calls);
        for (const queue of queues.values()) await queue.close().catch(() => undefined);
        const [opened, worker] = await Promise.allSettled([opening, workers]);
        if (worker.status === 'fulfilled') await worker.value?.close();
        if (opened.status === 'fulfilled') await opened.value?.producer.close();
      })();
      return closed;
    },
  };
}

async function checkVersion(client: RedisClient): Promise<void> {
  const info = String(await client.call('INFO', 'server'));
  const version = /^redis_version:(\S+)/m.exec(info)?.[1];
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  if (version && (major < MIN_VERSION[0] || (major === MIN_VERSION[0] && minor < MIN_VERSION[1])))
    throw new RedisVersionError(version, MIN_VERSION.join('.'));
}

/** A failure that comes from the store being away, as the queue's own error. What it refuses for good stays as it is. */
function unavailable(thrown: unknown): InfraError {
  if (isInfraError(thrown, 'E_QUEUE_UNAVAILABLE')) return thrown;
  if (isInfraError(thrown) && !thrown.retryable) return thrown;
  return new QueueUnavailableError(messageOf(thrown).replace(/\.$/, ''), thrown);
}
