import { type Clock, isInfraError, logger, messageOf } from '@vibeonrails/infra-core';
import { mastersOf, type RedisClient } from '@vibeonrails/infra-redis';
import { RealtimeBrokerError } from '../errors.ts';
import { wait, within } from '../wait.ts';
import type { Link } from './link.ts';
import type { RedisNames } from './names.ts';

/** What the subscriptions need, and whom they tell. */
export interface SubscriptionsOptions {
  readonly link: Link;
  readonly names: RedisNames;
  /** Milliseconds a command may take. */
  readonly timeout: number;
  /** Milliseconds a connection may take. */
  readonly connectTimeout: number;
  readonly clock: Clock;
  onMessage(channel: string, text: string): void;
  /** The channel is subscribed again after a loss. */
  onGap(channel: string): void;
  onLost(): void;
}

/** The channels this process hears. */
export interface Subscriptions {
  /** Resolves when it hears; rejects when that takes longer than a connection may. */
  ready(): Promise<void>;
  has(channel: string): boolean;
  subscribe(channel: string): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  close(): void;
}

interface Wish {
  confirmed: boolean;
  /** It was confirmed once, and lost. */
  missed: boolean;
  readonly done: Promise<void>;
  settle(error?: unknown): void;
}

/** Channels of one SUBSCRIBE. */
const BATCH = 500;
/** How often a silent connection is asked whether it is still there, in milliseconds. */
const BEAT = 5000;
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 2000;

const log = logger.child({ module: 'realtime' });

/**
 * Makes {@link Subscriptions}. Each attempt takes a connection of its own to one server, in place of a client that
 * reconnects by itself: that of a cluster moves to another node without a word, and messages are missed meanwhile.
 */
export function subscriptions(options: SubscriptionsOptions): Subscriptions {
  const { link, names, timeout, connectTimeout, clock } = options;
  const closing = new AbortController();
  const wishes = new Map<string, Wish>();
  const waiting = new Set<() => void>();
  let line: RedisClient | undefined;
  let up = false;
  let started = false;
  let met = false;
  let round = Math.floor(Math.random() * 1000);
  let problem: unknown;

  const ask = async (client: RedisClient, channels: readonly string[]): Promise<void> => {
    const asked = channels.map((channel) => [channel, wishes.get(channel)] as const);
    await client.subscribe(...channels.map(names.channel));
    if (line !== client) return;
    for (const [channel, wish] of asked) {
      if (!wish || wishes.get(channel) !== wish || wish.confirmed) continue;
      wish.confirmed = true;
      wish.settle();
      if (wish.missed) options.onGap(channel);
      wish.missed = false;
    }
  };

  /** One connection, from its beginning to its loss, which it throws. */
  const hold = async (client: RedisClient): Promise<never> => {
    const gone = new AbortController();
    const { signal } = gone;
    const onClose = (): void => gone.abort(new Error('the connection for subscriptions was cut'));
    client.on('error', (error) => gone.abort(error));
    client.on('close', onClose);
    client.on('end', onClose);
    closing.signal.addEventListener('abort', onClose);
    client.on('message', (name, text) => {
      const channel = names.read(String(name));
      if (line === client && wishes.has(channel)) options.onMessage(channel, String(text));
    });
    try {
      await within(clock, connectTimeout, signal, connected(client));
      line = client;
      const all = [...wishes.keys()];
      for (let start = 0; start < all.length; start += BATCH) {
        const batch = all.slice(start, start + BATCH).filter((channel) => wishes.has(channel));
        if (batch.length > 0) await within(clock, timeout, signal, ask(client, batch));
      }
      up = true;
      met = true;
      for (const done of [...waiting]) done();
      for (;;) {
        await wait(clock, BEAT, signal);
        signal.throwIfAborted();
        await within(clock, timeout, signal, client.call('ping'));
      }
    } finally {
      line = undefined;
      closing.signal.removeEventListener('abort', onClose);
      client.disconnect();
    }
  };

  const run = async (): Promise<void> => {
    let failures = 0;
    while (!closing.signal.aborted) {
      try {
        round += 1;
        const client = await link.run((redis) => pick(mastersOf(redis), round).duplicate());
        await hold(client);
      } catch (thrown) {
        problem = thrown;
        if (up && !closing.signal.aborted)
          log.warn({ reason: messageOf(thrown) }, 'the subscriptions are lost and tried again');
      }
      failures = up ? 1 : failures + 1;
      up = false;
      for (const wish of wishes.values()) {
        wish.missed ||= wish.confirmed;
        wish.confirmed = false;
      }
      options.onLost();
      await pause(clock, failures, closing.signal);
    }
  };
  const start = (): void => {
    if (started) return;
    started = true;
    void run();
  };
  const drop = (channel: string, wish: Wish): boolean =>
    wishes.get(channel) === wish && wishes.delete(channel);

  const wishFor = (channel: string): Wish => {
    let settle: Wish['settle'] = () => undefined;
    const done = new Promise<void>((resolve, reject) => {
      // The first connection of all may take its own time before.
      const limit = met ? timeout : connectTimeout + timeout;
      const cancel = clock.after(limit, () => {
        if (drop(channel, wish)) void forget(channel).catch(() => undefined);
        wish.settle(new Error(`Redis did not confirm within ${limit} ms`, { cause: problem }));
      });
      settle = (error) => {
        cancel();
        if (error === undefined) resolve();
        else reject(error);
      };
    });
    const wish: Wish = { confirmed: false, missed: false, done, settle };
    return wish;
  };
  const forget = async (channel: string): Promise<void> => {
    if (line) await within(clock, timeout, closing.signal, line.unsubscribe(names.channel(channel)));
  };

  return {
    ready() {
      start();
      if (up) return Promise.resolve();
      let onUp = (): void => undefined;
      const there = new Promise<void>((resolve) => {
        onUp = resolve;
      });
      waiting.add(onUp);
      return within(clock, connectTimeout, closing.signal, there)
        .catch((thrown: unknown) => {
          const cause = problem ?? thrown;
          throw isInfraError(cause) ? cause : new RealtimeBrokerError('subscribe', names.channel('…'), cause);
        })
        .finally(() => waiting.delete(onUp));
    },
    has: (channel) => wishes.has(channel),
    subscribe(channel) {
      if (closing.signal.aborted) return Promise.reject(closing.signal.reason);
      start();
      const former = wishes.get(channel);
      if (former) return former.done;
      const wish = wishFor(channel);
      wishes.set(channel, wish);
      if (line)
        ask(line, [channel]).catch((error: unknown) => {
          // A loss of the connection is made good; a refusal is not.
          if (isRefusal(error) && drop(channel, wish)) wish.settle(error);
        });
      return wish.done;
    },
    async unsubscribe(channel) {
      const wish = wishes.get(channel);
      if (!wish) return;
      wishes.delete(channel);
      wish.settle();
      // Nothing of it is passed on any more, whatever the server says.
      await forget(channel).catch(() => undefined);
    },
    close() {
      closing.abort(new Error('the driver is closed'));
      for (const wish of wishes.values()) wish.settle(closing.signal.reason);
      wishes.clear();
    },
  };
}

const isRefusal = (error: unknown): boolean => error instanceof Error && error.name === 'ReplyError';

const pick = (nodes: readonly RedisClient[], round: number): RedisClient => {
  const node = nodes[round % nodes.length];
  if (!node) throw new Error('the cluster has no master');
  return node;
};

function connected(client: RedisClient): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve) => {
    client.on('ready', () => resolve());
    // Its failure comes as an event.
    if (client.status === 'wait') client.connect().catch(() => undefined);
  });
}

/** Longer after each failure, a random half of it, so that a fleet does not come back all at once. */
const pause = (clock: Clock, failures: number, signal: AbortSignal): Promise<void> => {
  const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures - 1, 10));
  return wait(clock, longest * (0.5 + Math.random() / 2), signal);
};
