import { type Clock, isInfraError, messageOf } from '@vibeonrails/infra-core';
import { connectRedis, type RedisClient, type RedisTlsOptions } from '@vibeonrails/infra-redis';
import { CacheClosedError, CacheTimeoutError, CacheUnavailableError } from '../errors.ts';

/** How the link is made, with a URL or a client. */
export interface RedisLinkOptions {
  readonly url?: string;
  readonly client?: RedisClient;
  readonly tls?: RedisTlsOptions;
  /** Milliseconds a call may take. */
  readonly timeout: number;
  /** Milliseconds `ready()` may take. */
  readonly connectTimeout: number;
  readonly clock: Clock;
}

/** The cache's connection to Redis. Whatever is asked of it is over within the timeout, and fails with the cache's errors. */
export interface RedisLink {
  ready(): Promise<void>;
  run<T>(work: (client: RedisClient) => T | Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Makes a {@link RedisLink}; it connects at `ready()` or the first call. */
export function redisLink(options: RedisLinkOptions): RedisLink {
  const { url, client, tls, timeout, connectTimeout, clock } = options;
  // A cache answers soon or not at all, and a count whose reply was lost must not be counted twice.
  const redis = connectRedis({
    name: 'infra-cache',
    failFast: true,
    commandTimeout: timeout,
    connectTimeout,
    clock,
    ...(url === undefined ? {} : { url }),
    ...(client === undefined ? {} : { client }),
    ...(tls === undefined ? {} : { tls }),
  });
  const underWay = new Set<Promise<unknown>>();
  let closed = false;
  const inItsWords = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (thrown) {
      throw coded(thrown, timeout);
    }
  };

  return {
    ready: () => inItsWords(redis.ready()),
    async run(work) {
      if (closed) throw new CacheClosedError();
      const call = inItsWords(redis.run(work));
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
      await redis.close();
    },
  };
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
