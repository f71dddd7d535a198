import { channelName, eventName, pushFrame, userChannel, withPosition } from './channels.ts';
import { makeDriver } from './config.ts';
import { onShutdown, operation, systemClock } from './core.ts';
import type { BrokerMessage, Position } from './driver.ts';
import {
  CLOSE_CODES,
  RealtimeBrokerError,
  RealtimeClientError,
  RealtimeClientUnknownError,
  RealtimeClosedError,
  RealtimePayloadError,
} from './errors.ts';
import type {
  DeliveryCounts,
  Realtime,
  RealtimeClient,
  RealtimeOptions,
  SubscribeOptions,
} from './realtime.ts';
import {
  checkClient,
  closeQuietly,
  createChannels,
  createPresence,
  createSender,
  type Registered,
  toMember,
} from './registry.ts';

const publishes = operation('realtime.publish');

/**
 * Makes a hub of its own, independent of the default one.
 *
 * @throws {@link ConfigError} `E_CONFIG` when one of its variables holds something else.
 */
export function createRealtime(options: RealtimeOptions = {}): Realtime {
  const driver = makeDriver(options);
  const clock = options.clock ?? systemClock;
  const registry = new Map<string, Registered>();
  const counts: DeliveryCounts = { delivered: 0, skipped: 0, slow: 0, broken: 0 };
  let published = 0;
  let closing: Promise<void> | undefined;
  const hook = (): (() => void) => onShutdown('realtime', () => close());
  let forgetHook = hook();

  const channels = createChannels(driver, (channel, ids) => {
    for (const id of ids) registry.get(id)?.channels?.delete(channel);
  });
  const presence = createPresence(driver, async (channel, event, member, except) => {
    await send({ channel, body: pushFrame(channel, event, member), except });
  });
  const ignore = (): void => undefined;

  const open = (): void => {
    if (closing) throw new RealtimeClosedError('hub');
  };
  const send = async (message: BrokerMessage): Promise<Partial<Position>> => {
    try {
      return (await driver.publish(message)) ?? {};
    } catch (cause) {
      throw new RealtimeBrokerError('publish on', message.channel, cause);
    }
  };

  const leave = (channel: string, clientId: string): boolean => {
    const state = channels.remove(channel, clientId);
    if (state?.member !== undefined) presence.exit(channel, state.member, clientId).catch(ignore);
    return state !== undefined;
  };
  const forget = (entry: Registered): boolean => {
    const { id } = entry.client;
    if (registry.get(id) !== entry) return false;
    registry.delete(id);
    for (const channel of entry.channels ?? []) leave(channel, id);
    return true;
  };
  const drop = (entry: Registered, code: number, reason: string): void => {
    if (forget(entry)) closeQuietly(entry.client, code, reason);
  };
  const deliver = createSender(counts, drop);

  const toLocal = (channel: string, frame: string, except?: string): void => {
    for (const [id, { onSlow }] of channels.get(channel) ?? []) {
      const entry = id === except ? undefined : registry.get(id);
      if (entry) deliver(entry, frame, onSlow);
    }
  };
  driver.start({
    message({ channel, body, kind, except, position }) {
      if (kind !== 'disconnect') toLocal(channel, withPosition(body, position), except);
      else
        for (const id of [...(channels.get(channel)?.keys() ?? [])]) {
          const entry = registry.get(id);
          if (entry) drop(entry, Number(body), 'disconnected by the server');
        }
    },
    gap: (channel) => toLocal(channel, pushFrame(channel, '$gap', {})),
    expired(channel, id) {
      send({ channel, body: pushFrame(channel, '$leave', { id }) }).catch(ignore);
    },
    returned(channel, member) {
      send({ channel, body: pushFrame(channel, '$join', toMember(member)) }).catch(ignore);
    },
    opened() {
      // Of the hooks of one phase the latest comes first.
      forgetHook();
      if (!closing) forgetHook = hook();
    },
  });

  const join = (entry: Registered, channel: string, options: SubscribeOptions): Promise<void> => {
    const { id, userId = id } = entry.client;
    const { onSlow = 'close', presence: wish = false } = options;
    entry.channels ??= new Set();
    if (entry.channels.has(channel)) return channels.add(channel, id, { onSlow });
    entry.channels.add(channel);
    if (wish === false) return channels.add(channel, id, { onSlow });
    const info = wish === true || wish.info === undefined ? {} : { info: JSON.stringify(wish.info) };
    const confirmed = channels.add(channel, id, { onSlow, member: userId });
    return confirmed.then(async () => {
      // It may have left, or gone, while the broker took its time.
      if (channels.get(channel)?.get(id)?.member === undefined) return;
      await presence.enter(channel, { id: userId, ...info }, id).catch((cause: unknown) => {
        entry.channels?.delete(channel);
        channels.remove(channel, id);
        throw new RealtimeBrokerError('enter', channel, cause);
      });
    });
  };

  async function shut(): Promise<void> {
    forgetHook();
    for (const entry of [...registry.values()]) drop(entry, 1001, 'the server closes');
    await Promise.all([channels.settled(), presence.settled()]);
    await driver.close();
  }
  const close = (): Promise<void> => {
    closing ??= shut();
    return closing;
  };

  return {
    driver: driver.name,
    ready: () => driver.ready(),
    close,
    registerClient(client, { onDuplicate = 'replace' } = {}) {
      open();
      checkClient(client);
      const former = registry.get(client.id);
      if (former && onDuplicate === 'reject') throw new RealtimeClientError(`"${client.id}" is registered`);
      if (former) drop(former, CLOSE_CODES.replaced, 'replaced by another connection');
      const entry: Registered = { client };
      registry.set(client.id, entry);
      if (client.userId !== undefined) join(entry, userChannel(client.userId), {}).catch(ignore);
      return () => {
        forget(entry);
      };
    },
    unregisterClient(id) {
      const entry = registry.get(id);
      return entry !== undefined && forget(entry);
    },
    subscribe(channel, clientId, options = {}) {
      open();
      channelName(channel);
      const entry = registry.get(clientId);
      if (!entry) throw new RealtimeClientUnknownError(clientId);
      const ready = join(entry, channel, options);
      ready.catch(ignore);
      return { ready };
    },
    unsubscribe(channel, clientId) {
      registry.get(clientId)?.channels?.delete(channel);
      return leave(channel, clientId);
    },
    getSubscribers: (channel) => [...(channels.get(channel)?.keys() ?? [])],
    publish: async (channel, event, data, { except } = {}) => {
      open();
      channelName(channel);
      const body = encode(channel, eventName(event), data);
      published += 1;
      const message = { channel, body, ...(except === undefined ? {} : { except }) };
      return publishes.trace(() => send(message), { channel, bytes: body.length });
    },
    async toUser(userId, event, data) {
      open();
      const channel = userChannel(userId);
      const body = encode(undefined, eventName(event), data);
      await publishes.trace(() => send({ channel, body }), { channel, bytes: body.length });
    },
    async disconnectUser(userId, code = CLOSE_CODES.disconnected) {
      open();
      await send({ channel: userChannel(userId), kind: 'disconnect', body: String(code) });
    },
    async presence(channel) {
      open();
      const found = driver.members(channelName(channel)).catch((cause: unknown) => {
        throw new RealtimeBrokerError('list who is in', channel, cause);
      });
      return (await found).map(toMember);
    },
    async drain(how) {
      const { drainClients } = await import('./drain.ts');
      const leave = (client: RealtimeClient): boolean => {
        const entry = registry.get(client.id);
        return entry?.client === client && forget(entry);
      };
      return drainClients(
        [...registry.values()].map(({ client }) => client),
        leave,
        clock,
        how,
      );
    },
    stats() {
      const names = [...channels.names()].filter((name) => !name.startsWith('$'));
      const subscriptions = names.reduce((sum, name) => sum + (channels.get(name)?.size ?? 0), 0);
      return { clients: registry.size, channels: names.length, subscriptions, published, ...counts };
    },
  };
}

function encode(channel: string | undefined, event: string, data: unknown): string {
  try {
    return pushFrame(channel, event, data);
  } catch (cause) {
    throw new RealtimePayloadError(channel ?? 'a user', event, cause);
  }
}
