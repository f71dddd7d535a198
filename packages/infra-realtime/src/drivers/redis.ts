import { randomUUID } from 'node:crypto';
import { type Clock, type Duration, type Env, toMs } from '@vibeonrails/infra-core';
import type { RedisClient, RedisTlsOptions } from '@vibeonrails/infra-redis';
import type { DriverEvents, RealtimeDriver } from '../driver.ts';
import { RealtimeOptionError } from '../errors.ts';
import { nodeFor, redisLink } from '../redis/link.ts';
import { readMessage, writeMessage } from '../redis/messages.ts';
import { redisNames } from '../redis/names.ts';
import { redisPresence } from '../redis/presence.ts';
import { subscriptions } from '../redis/subscriptions.ts';

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

/** How the Redis driver is made. */
export interface RedisDriverOptions extends RealtimeRedisOptions {
  readonly clock: Clock;
  readonly env?: Env | undefined;
}

/** Carries messages between processes over Redis 6 or later, with one subscription a channel in local use. */
export function redisDriver(options: RedisDriverOptions): RealtimeDriver {
  const { clock } = options;
  const timeout = toMs(options.timeout ?? '5s');
  const connectTimeout = toMs(options.connectTimeout ?? '5s');
  const names = redisNames(readNamespace(options.namespace));
  const lease = readLease(options.lease);
  let events: DriverEvents | undefined;
  let closing: Promise<void> | undefined;

  const link = redisLink({
    ...options,
    timeout,
    connectTimeout,
    onOpen: () => events?.opened(),
    onTrouble: () => presence.trouble(),
  });
  const presence = redisPresence({
    link,
    names,
    process: randomUUID(),
    lease,
    clock,
    isHeard: (channel) => heard.has(channel),
    events: () => events,
  });
  const heard = subscriptions({
    link,
    names,
    timeout,
    connectTimeout,
    clock,
    onMessage(channel, text) {
      const message = readMessage(channel, text);
      if (message) events?.message(message);
    },
    onGap: (channel) => events?.gap(channel),
    onLost: () => presence.trouble(),
  });

  async function shut(): Promise<void> {
    heard.close();
    await presence.close();
    await link.close();
  }

  return {
    name: 'redis',
    start(given) {
      events = given;
    },
    async ready() {
      await link.ready();
      await heard.ready();
    },
    subscribe: heard.subscribe,
    unsubscribe: heard.unsubscribe,
    async publish(message) {
      const { channel } = message;
      const text = writeMessage(message);
      await link.run((client) => nodeFor(client, channel).call('PUBLISH', names.channel(channel), text));
      return undefined;
    },
    join: presence.join,
    leave: presence.leave,
    members: presence.members,
    close() {
      closing ??= shut();
      return closing;
    },
  };
}

function readNamespace(namespace = 'realtime'): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9.:_-]{0,99}$/.test(namespace))
    throw new RealtimeOptionError(
      'redis.namespace',
      `is ${JSON.stringify(namespace)}`,
      'Use 1 to 100 characters of A-Z a-z 0-9 . : _ -, starting with a letter or a digit.',
    );
  return namespace;
}

function readLease(given: Duration = '60s'): number {
  const lease = toMs(given);
  if (lease < 300)
    throw new RealtimeOptionError(
      'redis.lease',
      `is ${lease} ms`,
      'Give 300 ms or more; it has a reserve then.',
    );
  return lease;
}
