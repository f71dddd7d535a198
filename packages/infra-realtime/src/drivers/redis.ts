import { randomUUID } from 'node:crypto';
import type { Clock, Env } from '@vibeonrails/infra-core';
import type { DriverEvents, RealtimeDriver } from '../driver.ts';
import type { RealtimeRedisOptions } from '../realtime.ts';
import { nodeFor, redisLink } from '../redis/link.ts';
import { readMessage, writeMessage } from '../redis/messages.ts';
import { redisNames } from '../redis/names.ts';
import { redisPresence } from '../redis/presence.ts';
import { subscriptions } from '../redis/subscriptions.ts';

/** How the Redis driver is made: {@link RealtimeRedisOptions}, read. */
export interface RedisDriverOptions extends Pick<RealtimeRedisOptions, 'url' | 'client' | 'tls'> {
  readonly namespace: string;
  /** Milliseconds a command may take. */
  readonly timeout: number;
  /** Milliseconds a connection may take. */
  readonly connectTimeout: number;
  /** Milliseconds after which a process that gives no sign of life counts as dead. */
  readonly lease: number;
  readonly clock: Clock;
  readonly env?: Env | undefined;
}

/** Carries messages between processes over Redis 6 or later, with one subscription a channel in local use. */
export function redisDriver(options: RedisDriverOptions): RealtimeDriver {
  const { clock, timeout, connectTimeout, lease } = options;
  const names = redisNames(options.namespace);
  let events: DriverEvents | undefined;
  let closing: Promise<void> | undefined;

  const link = redisLink({
    ...options,
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
