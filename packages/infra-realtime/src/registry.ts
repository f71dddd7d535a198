import { logger } from './core.ts';
import type { PresenceMember, RealtimeDriver } from './driver.ts';
import { CLOSE_CODES, RealtimeBrokerError, RealtimeClientError } from './errors.ts';
import type { DeliveryCounts, Member, RealtimeClient, SlowPolicy } from './realtime.ts';

/** A client and what is kept about it. */
export interface Registered {
  readonly client: RealtimeClient;
  /** Made with the first subscription: most memory of an idle server is here. */
  channels?: Set<string>;
}

const MAX_BUFFERED = 1024 * 1024;

/** Refuses what is no client. @throws {@link RealtimeClientError} `E_REALTIME_CLIENT`. */
export function checkClient(client: RealtimeClient): void {
  const isId = (id: unknown): boolean => typeof id === 'string' && id !== '' && id.length <= 200;
  if (client === null || typeof client !== 'object') throw new RealtimeClientError('it is no object');
  if (!isId(client.id)) throw new RealtimeClientError('its id is no text of 1 to 200 characters');
  if (client.userId !== undefined && !isId(client.userId))
    throw new RealtimeClientError('its userId is no text of 1 to 200 characters');
  if (typeof client.send !== 'function' || typeof client.close !== 'function')
    throw new RealtimeClientError('send and close must be functions');
}

/** Closes a client, whatever it does about it. */
export function closeQuietly(client: RealtimeClient, code: number, reason: string): void {
  try {
    const result = client.close(code, reason);
    if (isThenable(result)) result.then(undefined, () => undefined);
  } catch {
    // It is no longer registered; a transport that is gone already may well throw here.
  }
}

/**
 * Hands frames to clients. A client that fails or is too slow is given to `drop`, which takes it out of the registry
 * before it closes it.
 */
export function createSender(
  counts: DeliveryCounts,
  drop: (entry: Registered, code: number, reason: string) => void,
): (entry: Registered, frame: string, onSlow: 'close' | 'drop') => void {
  const broken = (entry: Registered, err: unknown): void => {
    counts.broken += 1;
    logger.debug({ err, module: 'realtime', client: entry.client.id }, 'a client failed and was dropped');
    drop(entry, CLOSE_CODES.broken, 'send failed');
  };
  return (entry, frame, onSlow) => {
    const { client } = entry;
    try {
      // Asked before sending: what waits is bounded by the limit and one message.
      const waiting = client.bufferedAmount?.() ?? 0;
      if (waiting > (client.maxBufferedAmount ?? MAX_BUFFERED)) {
        if (onSlow === 'drop') {
          counts.skipped += 1;
          return;
        }
        counts.slow += 1;
        drop(entry, CLOSE_CODES.slow, 'reads too slowly');
        return;
      }
      const result = client.send(frame);
      counts.delivered += 1;
      if (isThenable(result)) result.then(undefined, (err: unknown) => broken(entry, err));
    } catch (err) {
      broken(entry, err);
    }
  };
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  value !== null && typeof value === 'object' && 'then' in value && typeof value.then === 'function';

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
