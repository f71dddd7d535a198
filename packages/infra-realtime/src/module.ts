import { defineModule, type HealthCheck, type HealthResult, type ModuleHandle } from './core.ts';
import { createRealtime } from './hub.ts';
import type { Realtime, RealtimeOptions } from './realtime.ts';

/** The version in package.json. */
export const VERSION = '1.0.0';

/** The default hub of this process. */
export const handle: ModuleHandle<Realtime, RealtimeOptions> = defineModule<Realtime, RealtimeOptions>({
  module: 'realtime',
  package: '@vibeonrails/infra-realtime',
  version: VERSION,
  contract: 1,
  create: createRealtime,
  healthCheck: roundTrip,
});

/** Sends a message through the broker to a client made for it. */
async function roundTrip(hub: Realtime, signal: AbortSignal): Promise<HealthResult> {
  const id = `health.${globalThis.crypto.randomUUID()}`;
  let arrived = (): void => undefined;
  const arrival = new Promise<void>((resolve, reject) => {
    arrived = resolve;
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  const unregister = hub.registerClient({ id, send: () => arrived(), close: () => undefined });
  try {
    await Promise.race([hub.subscribe(id, id).ready, arrival]);
    await Promise.race([hub.publish(id, 'health', null), arrival]);
    await arrival;
    const { clients, channels } = hub.stats();
    return { status: 'ok', data: { driver: hub.driver, clients: clients - 1, channels: channels - 1 } };
  } finally {
    unregister();
  }
}

const it = (): Realtime => handle.instance();

/** Makes a client reachable: a WebSocket, server-sent events, a test. @throws `E_REALTIME_CLIENT`. */
export const registerClient: Realtime['registerClient'] = (client, options) =>
  it().registerClient(client, options);

/** Forgets a client and its subscriptions; it is not closed. False when it was not registered. */
export const unregisterClient: Realtime['unregisterClient'] = (id) => it().unregisterClient(id);

/** Subscribes a client, at once; `ready` is the broker's confirmation. @throws `E_REALTIME_CLIENT_UNKNOWN`, `E_REALTIME_CHANNEL_NAME`. */
export const subscribe: Realtime['subscribe'] = (channel, clientId, options) =>
  it().subscribe(channel, clientId, options);

/** Ends a subscription. False when there was none. */
export const unsubscribe: Realtime['unsubscribe'] = (channel, clientId) =>
  it().unsubscribe(channel, clientId);

/** The ids of the clients of this process that are subscribed. */
export const getSubscribers: Realtime['getSubscribers'] = (channel) => it().getSubscribers(channel);

/** Sends an event to everyone subscribed, on every process. @throws `E_REALTIME_PAYLOAD`, `E_REALTIME_BROKER`. */
export const publish: Realtime['publish'] = (channel, event, data, options) =>
  it().publish(channel, event, data, options);

/** Sends an event to every connection of a user. */
export const toUser: Realtime['toUser'] = (userId, event, data) => it().toUser(userId, event, data);

/** Closes every connection of a user. */
export const disconnectUser: Realtime['disconnectUser'] = (userId, code) => it().disconnectUser(userId, code);

/** Who is in a channel, over all processes. */
export const presence: Realtime['presence'] = (channel) => it().presence(channel);

/** The default hub, made from the environment at first use. */
export const realtime: Realtime = {
  get driver() {
    return it().driver;
  },
  ready: () => it().ready(),
  close: () => it().close(),
  registerClient,
  unregisterClient,
  subscribe,
  unsubscribe,
  getSubscribers,
  publish,
  toUser,
  disconnectUser,
  presence,
  drain: (options) => it().drain(options),
  stats: () => it().stats(),
};

/**
 * Makes the default hub from `options`, before its first use.
 *
 * @throws {@link AlreadyConfiguredError} `E_REALTIME_CONFIGURED` when it is in use, unless `replace` is true.
 */
export function configureRealtime(options: RealtimeOptions & { replace?: boolean }): Realtime {
  return handle.configure(options);
}

/** Checks the default hub: publishes a message and awaits it. For `registerHealthCheck('realtime', realtimeHealthCheck())`. */
export function realtimeHealthCheck(): HealthCheck {
  return handle.healthCheck;
}
