import { logger } from '@vibeonrails/infra-core';
import type { PresenceMember, RealtimeDriver } from './driver.ts';
import { RealtimeBrokerError } from './errors.ts';
import type { Member } from './realtime.ts';

/** What to do on a channel with a client that reads slower than it is written to. */
export type SlowPolicy = 'close' | 'drop';

/** What a subscription carries beside its client. */
interface SubscriptionState {
  readonly onSlow: SlowPolicy;
  /** The id under which the client is present in the channel; absent without presence. */
  readonly member?: string;
}

/** The channels in local use, and which clients each one has. */
interface Channels {
  /**
   * Adds a client, at once; the promise is the broker's confirmation for the channel. When the broker refuses, the
   * clients are taken away again and `onRefused` is told. Harmless when the client is there already.
   */
  add(channel: string, clientId: string, state: SubscriptionState): Promise<void>;
  /** Takes a client away and returns what its subscription carried. */
  remove(channel: string, clientId: string): SubscriptionState | undefined;
  /** The clients of a channel; `undefined` when it has none. */
  get(channel: string): ReadonlyMap<string, SubscriptionState> | undefined;
  names(): Iterable<string>;
  /** Resolves when every request to the broker under way is over. */
  settled(): Promise<void>;
}

interface Entry {
  readonly clients: Map<string, SubscriptionState>;
  ready: Promise<void>;
}

/** Keeps channel subscriptions: the broker is asked once per channel, not once per client. */
export function createChannels(
  driver: RealtimeDriver,
  onRefused: (channel: string, clientIds: readonly string[]) => void,
): Channels {
  const entries = new Map<string, Entry>();
  const pending = new Set<Promise<unknown>>();
  const track = <T>(request: Promise<T>): Promise<T> => {
    const forget = (): boolean => pending.delete(request);
    pending.add(request);
    request.then(forget, forget);
    return request;
  };

  const request = async (channel: string, entry: Entry): Promise<void> => {
    try {
      await driver.subscribe(channel);
    } catch (cause) {
      const ids = [...entry.clients.keys()];
      if (entries.get(channel) === entry) entries.delete(channel);
      entry.clients.clear();
      onRefused(channel, ids);
      throw new RealtimeBrokerError('subscribe to', channel, cause);
    }
  };

  const open = (channel: string): Entry => {
    const entry: Entry = { clients: new Map(), ready: Promise.resolve() };
    entries.set(channel, entry);
    entry.ready = track(request(channel, entry));
    // Whoever does not wait for the confirmation must not crash on its absence.
    entry.ready.catch((err: unknown) => logger.warn({ err, module: 'realtime', channel }, 'not subscribed'));
    return entry;
  };

  return {
    add(channel, clientId, state) {
      const entry = entries.get(channel) ?? open(channel);
      if (!entry.clients.has(clientId)) entry.clients.set(clientId, state);
      return entry.ready;
    },
    remove(channel, clientId) {
      const entry = entries.get(channel);
      const state = entry?.clients.get(clientId);
      if (!entry || !state) return undefined;
      entry.clients.delete(clientId);
      if (entry.clients.size > 0) return state;
      entries.delete(channel);
      track(driver.unsubscribe(channel)).catch((err: unknown) =>
        logger.warn({ err, module: 'realtime', channel }, 'not unsubscribed from the broker'),
      );
      return state;
    },
    get: (channel) => entries.get(channel)?.clients,
    names: () => entries.keys(),
    async settled() {
      await Promise.allSettled(pending);
    },
  };
}

/** Tells a channel that somebody came or went; `except` is the client it is about. */
type Announce = (channel: string, event: '$join' | '$leave', member: Member, except: string) => Promise<void>;

/** Keeps the broker's presence in step with the subscriptions of this process. */
interface Presence {
  /** Resolves when the member counts as present. */
  enter(channel: string, member: PresenceMember, clientId: string): Promise<void>;
  /** Resolves when the member no longer counts, on this connection. */
  exit(channel: string, member: string, clientId: string): Promise<void>;
  settled(): Promise<void>;
}

/** Makes a {@link Presence}. The channel hears of a user's first connection and of the last, not of those between. */
export function createPresence(driver: RealtimeDriver, announce: Announce): Presence {
  /** One after the other per connection and channel: who leaves while joining must end up outside. */
  const work = new Map<string, Promise<void>>();
  const inTurn = (key: string, step: () => Promise<void>): Promise<void> => {
    const done = (work.get(key) ?? Promise.resolve()).catch(() => undefined).then(step);
    work.set(key, done);
    const forget = (): void => {
      if (work.get(key) === done) work.delete(key);
    };
    done.then(forget, forget);
    return done;
  };

  return {
    enter: (channel, member, clientId) =>
      inTurn(`${channel} ${clientId}`, async () => {
        if (await driver.join(channel, member, clientId))
          await announce(channel, '$join', toMember(member), clientId);
      }),
    exit: (channel, member, clientId) =>
      inTurn(`${channel} ${clientId}`, async () => {
        if (await driver.leave(channel, member, clientId))
          await announce(channel, '$leave', { id: member }, clientId);
      }),
    async settled() {
      await Promise.allSettled(work.values());
    },
  };
}

/** A member as the broker keeps it, read back. */
export function toMember({ id, info }: PresenceMember): Member {
  return info === undefined ? { id } : { id, info: JSON.parse(info) as unknown };
}
