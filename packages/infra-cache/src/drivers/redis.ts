import type { Duration } from '@vibeonrails/infra-core';
import type { RedisClient, RedisTlsOptions } from '@vibeonrails/infra-redis';
import type { CacheDriver } from '../driver.ts';
import { type Front, front } from '../redis/front.ts';
import { type RedisLinkOptions, redisLink } from '../redis/link.ts';
import { listener } from '../redis/listener.ts';
import { channelOf, understand } from '../redis/messages.ts';
import { type RedisStore, redisStore } from '../redis/store.ts';

/** How the cache reaches Redis. */
export interface CacheRedisOptions {
  /** @default CACHE_REDIS_URL, else REDIS_URL */
  url?: string;
  /** A client of the application's, of ioredis 5.11 or 6, in place of a URL. It is never closed here. */
  client?: RedisClient;
  /** How a `rediss` connection is encrypted. @default the system's certificate authorities, or `?ca=` of the URL */
  tls?: RedisTlsOptions;
  /** How long a call may take, whatever happens. @default '500ms' */
  timeout?: Duration;
  /** How long `ready()` waits, and each attempt to connect. @default '5s' */
  connectTimeout?: Duration;
}

/** Memory of this process in front of Redis. */
export interface CacheMemoryOptions {
  /** The memory its entries may take, in bytes. @default the cache's `maxBytes` */
  maxBytes?: number;
  /** The longest time an entry stays in it, should a change go unheard. @default '30s' */
  ttl?: Duration;
}

/** How the Redis driver is made; times are in milliseconds. */
export interface RedisDriverOptions extends RedisLinkOptions {
  /** Caches of one namespace hear of each other's writes. */
  readonly namespace: string;
  readonly memory?: { readonly maxBytes: number; readonly ttl: number } | undefined;
}

/**
 * Keeps entries in Redis, shared by all processes; with `memory`, those that are read stay in this process until they
 * change. Needs Redis 6 or later.
 */
export function redisDriver(options: RedisDriverOptions): CacheDriver {
  const { timeout, connectTimeout, clock, memory } = options;
  const channel = channelOf(options.namespace);
  const link = redisLink(options);
  const store = redisStore(link, channel);
  if (!memory) return { name: 'redis', ...callsOf(store), ready: link.ready, close: link.close };

  const near = front({ ...memory, clock });
  const listeners = new Set<(keys?: readonly string[]) => void>();
  const changes = listener({
    link,
    channel,
    timeout,
    connectTimeout,
    clock,
    onUp: near.turnOn,
    onDown: near.turnOff,
    onMessage(text) {
      const { from, keys } = understand(text);
      // Our own are known already, and would take away what was read since.
      if (from === store.origin) return;
      near.drop(keys);
      for (const changed of listeners) changed(keys);
    },
  });
  return {
    name: 'redis',
    ...nearFirst(near, store, changes.start),
    watch: (changed) => void listeners.add(changed),
    async ready() {
      await link.ready();
      await changes.ready();
    },
    async close() {
      changes.close();
      near.turnOff();
      await link.close();
    },
  };
}

type Calls = Omit<CacheDriver, 'name' | 'ready' | 'close' | 'watch'>;

const callsOf = ({ origin: _, getTimed: __, ...calls }: RedisStore): Calls => calls;

/** The same calls with memory in front: reads look there first, and a write takes away what it changes. */
function nearFirst(near: Front, store: RedisStore, start: () => void): Calls {
  const read = async (keys: readonly string[]): Promise<(string | undefined)[]> => {
    start();
    if (!near.on) return store.get(keys);
    const fill = near.fill(keys);
    try {
      const found = await store.getTimed(keys);
      fill.keep(found);
      return found.map((entry) => entry?.text);
    } finally {
      fill.end();
    }
  };
  /** Afterwards, also when it failed and may have been done: what was read meanwhile is not kept. */
  const change = <T>(keys: readonly string[] | undefined, work: Promise<T>): Promise<T> =>
    work.finally(() => near.drop(keys));
  return {
    async get(keys) {
      const found = keys.map((key) => near.get(key));
      const missing = keys.filter((_, i) => found[i] === undefined);
      if (missing.length === 0) return found;
      const rest = (await read(missing)).values();
      return found.map((text) => text ?? rest.next().value);
    },
    set: (key, ...rest) => change([key], store.set(key, ...rest)),
    delete: (keys) => change(keys, store.delete(keys)),
    take: (key) => change([key], store.take(key)),
    increment: (key, ...rest) => change([key], store.increment(key, ...rest)),
    touch: (key, ttl) => change([key], store.touch(key, ttl)),
    clear: (prefix) => change(undefined, store.clear(prefix)),
  };
}
