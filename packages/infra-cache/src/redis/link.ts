import { type Clock, type Env, isInfraError, messageOf } from '@vibeonrails/infra-core';
import type { RedisClient, RedisConnection, RedisTlsOptions } from '@vibeonrails/infra-redis';
import { CacheClosedError, CacheTimeoutError, CacheUnavailableError } from '../errors.ts';

/** How the link is made; what is not given comes from the environment. */
export interface RedisLinkOptions {
  readonly url?: string | undefined;
  readonly client?: RedisClient | undefined;
  readonly tls?: RedisTlsOptions | undefined;
  /** Milliseconds a call may take. */
  readonly timeout: number;
  /** Milliseconds `ready()` may take. */
  readonly connectTimeout: number;
  readonly clock: Clock;
  readonly env?: Env | undefined;
}

/** The cache's connection to Redis. Whatever is asked of it is over within the timeout, and fails with the cache's errors. */
export interface RedisLink {
  ready(): Promise<void>;
  run<T>(work: (client: RedisClient) => T | Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const NO_CONNECTION = 'no connection to Redis within';

/** Makes a {@link RedisLink}; it loads the client and connects at `ready()` or the first call. */
export function redisLink(options: RedisLinkOptions): RedisLink {
  const { timeout, clock } = options;
  let opening: Promise<RedisConnection> | undefined;
  let connection: RedisConnection | undefined;
  let closed = false;
  const underWay = new Set<Promise<unknown>>();
  const open = (): Promise<RedisConnection> => {
    opening ??= connect(options).then((made) => {
      connection = made;
      return made;
    });
    return opening;
  };

  function bounded<T>(work: (client: RedisClient) => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let over = false;
      const cancel = clock.after(timeout, () => {
        over = true;
        const up = isUp(connection);
        reject(
          up ? new CacheTimeoutError(timeout) : new CacheUnavailableError(`${NO_CONNECTION} ${timeout} ms.`),
        );
      });
      const send = (client: RedisClient): T | Promise<T> => {
        // Whoever asked has been told that it failed: it must not happen later, after other writes.
        if (over) throw new CacheTimeoutError(timeout);
        // A client that keeps commands for later would do just that.
        if (client.status !== 'ready')
          throw new CacheUnavailableError('the connection to Redis is down and tried again.');
        return work(client);
      };
      open()
        .then((redis) => redis.run(send))
        .then(resolve, (thrown) => reject(coded(thrown, timeout)))
        .finally(cancel);
    });
  }

  return {
    async ready() {
      try {
        await (await open()).ready();
      } catch (thrown) {
        throw coded(thrown, timeout);
      }
    },
    async run(work) {
      if (closed) throw new CacheClosedError();
      const call = bounded(work);
      underWay.add(call);
      try {
        return await call;
      } finally {
        underWay.delete(call);
      }
    },
    async close() {
      closed = true;
      // None takes longer than the timeout.
      await Promise.allSettled(underWay);
      await opening?.then(
        (redis) => redis.close(),
        () => undefined,
      );
    },
  };
}

/*
 * A cache answers soon or not at all: no command waits for a connection, and none is sent a second time, because a
 * count whose reply was lost would be counted twice.
 */
async function connect(options: RedisLinkOptions): Promise<RedisConnection> {
  const { url, client, tls, env, timeout, connectTimeout, clock } = options;
  const { connectRedis } = await import('@vibeonrails/infra-redis');
  return connectRedis({
    for: 'cache',
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
}

function isUp(connection: RedisConnection | undefined): boolean {
  try {
    return connection?.client.status === 'ready';
  } catch {
    return false;
  }
}

/** Codes of an address or a client that is wrong: those are the application's to correct, and stay as they are. */
const SETTINGS = ['E_CONFIG', 'E_REDIS_URL', 'E_REDIS_CLIENT'];

function coded(thrown: unknown, timeout: number): unknown {
  if (!isInfraError(thrown)) return new CacheUnavailableError(`${messageOf(thrown)}.`);
  const { code, message, help, retryable } = thrown;
  if (code === 'E_REDIS_TIMEOUT') return new CacheTimeoutError(timeout, thrown);
  if (code === 'E_REDIS_CLOSED') return new CacheClosedError();
  if (!code.startsWith('E_REDIS_') || SETTINGS.includes(code)) return thrown;
  const problem = help && message.endsWith(help) ? message.slice(0, -help.length).trim() : message;
  return new CacheUnavailableError(problem, { retryable, ...(help ? { help } : {}), cause: thrown });
}
