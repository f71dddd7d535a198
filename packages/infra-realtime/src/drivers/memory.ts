import type { BrokerMessage, DriverEvents, PresenceMember, RealtimeDriver } from '../driver.ts';

interface Presence {
  readonly member: PresenceMember;
  /** Which driver each of the member's connections belongs to. */
  readonly clients: Map<string, object>;
}

/** What memory drivers share that should reach each other, as several processes share a broker. */
export interface MemoryBus {
  readonly subscribers: Map<string, Set<DriverEvents>>;
  readonly presence: Map<string, Map<string, Presence>>;
  readonly queue: BrokerMessage[];
}

/** Makes a {@link MemoryBus}: give one to several memory drivers and they act like processes on one broker. */
export function memoryBus(): MemoryBus {
  return { subscribers: new Map(), presence: new Map(), queue: [] };
}

/** Carries messages within this process. */
export function memoryDriver(options: { bus?: MemoryBus } = {}): RealtimeDriver {
  const bus = options.bus ?? memoryBus();
  const self = {};
  const subscribed = new Set<string>();
  let events: DriverEvents | undefined;

  const unsubscribe = (channel: string): void => {
    subscribed.delete(channel);
    const listeners = bus.subscribers.get(channel);
    if (!events || !listeners?.delete(events)) return;
    if (listeners.size === 0) bus.subscribers.delete(channel);
  };

  return {
    name: 'memory',
    start(given) {
      events = given;
    },
    ready: async () => undefined,
    async subscribe(channel) {
      if (!events) return;
      subscribed.add(channel);
      const listeners = bus.subscribers.get(channel) ?? new Set();
      bus.subscribers.set(channel, listeners.add(events));
    },
    unsubscribe: async (channel) => unsubscribe(channel),
    async publish(message) {
      deliver(bus, message);
      return undefined;
    },
    async join(channel, member, clientId) {
      const present = bus.presence.get(channel) ?? new Map<string, Presence>();
      bus.presence.set(channel, present);
      const former = present.get(member.id);
      const clients = former?.clients ?? new Map<string, object>();
      present.set(member.id, { member, clients: clients.set(clientId, self) });
      return former === undefined;
    },
    leave: async (channel, member, clientId) => leave(bus, channel, member, clientId),
    members: async (channel) => Array.from(bus.presence.get(channel)?.values() ?? [], ({ member }) => member),
    async close() {
      for (const channel of subscribed) unsubscribe(channel);
      for (const [channel, present] of bus.presence)
        for (const [id, { clients }] of present)
          for (const [clientId, owner] of clients) if (owner === self) leave(bus, channel, id, clientId);
    },
  };
}

/** Delivers in the order of publishing, also when a receiver publishes in its turn. */
function deliver(bus: MemoryBus, message: BrokerMessage): void {
  if (bus.queue.push(message) > 1) return;
  for (let next = bus.queue[0]; next; next = bus.queue[0]) {
    for (const listener of bus.subscribers.get(next.channel) ?? []) listener.message(next);
    bus.queue.shift();
  }
}

function leave(bus: MemoryBus, channel: string, member: string, clientId: string): boolean {
  const present = bus.presence.get(channel);
  const clients = present?.get(member)?.clients;
  if (!present || !clients?.delete(clientId) || clients.size > 0) return false;
  present.delete(member);
  if (present.size === 0) bus.presence.delete(channel);
  return true;
}
