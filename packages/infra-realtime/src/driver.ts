/** A message's place in a channel's history. */
export interface Position {
  /** 1 for the first message of an epoch; each next one is 1 more. */
  readonly offset: number;
  /** Changes when the history started anew, and offsets can no longer be compared. */
  readonly epoch: string;
}

/** What travels through a broker. */
export interface BrokerMessage {
  readonly channel: string;
  /** A complete push frame as text, except with `kind` `disconnect`: then the close code. */
  readonly body: string;
  /** `disconnect` closes the channel's clients in place of sending to them. @default 'push' */
  readonly kind?: 'push' | 'disconnect';
  /** The id of the client that must not get it. */
  readonly except?: string;
  /** Set on delivery by a broker that keeps history for the channel. */
  readonly position?: Position;
}

/** Who is in a channel. */
export interface PresenceMember {
  /** The user's id; a client without a user counts under its own. */
  readonly id: string;
  /** What `authorize` or `subscribe` said of them, as JSON text. The latest wins. */
  readonly info?: string;
}

/** How the driver tells its hub. Nothing here throws. */
export interface DriverEvents {
  /** A message arrived on a channel this driver is subscribed to; those of one channel in their order. */
  message(message: BrokerMessage): void;
  /** The connection was lost and is back: messages of this subscribed channel may have been missed. */
  gap(channel: string): void;
  /** A member is gone because its process died. Called on one process alone, which then tells the channel. */
  expired(channel: string, member: string): void;
  /** A member counts again whose process was taken for dead, or was forgotten. Called on its process, which tells the channel. */
  returned(channel: string, member: PresenceMember): void;
  /** The driver has opened connections that close at shutdown: the hub, which needs them, must close before. */
  opened(): void;
}

/**
 * What every broker driver does: it carries messages between the processes that serve clients, and knows who is
 * present. It never sees a socket. `realtimeDriverSuite()` in `./testing` proves a driver.
 *
 * Calls for one channel take effect in the order in which they were made, also while a former one is under way, and
 * they may come before `ready()` has resolved: the driver then waits.
 *
 * A driver that loses its connection gets it back by itself, subscribes again to what it was subscribed to and then
 * calls {@link DriverEvents.gap}. Meanwhile `publish` rejects; it never keeps messages in memory for later.
 */
export interface RealtimeDriver {
  /** Its name in health reports and telemetry. */
  readonly name: string;
  /** Called once, before everything else. */
  start(events: DriverEvents): void;
  /** Resolves when it can serve; rejects with a coded error when it never will. Idempotent. */
  ready(): Promise<void>;
  /** Resolves when each message published from now on, by any process, will arrive. Called once until unsubscribed. */
  subscribe(channel: string): Promise<void>;
  /** Resolves when no more messages will arrive. Harmless when not subscribed. */
  unsubscribe(channel: string): Promise<void>;
  /** Resolves when the broker has taken it, with its position where history is kept. This process gets it as well. */
  publish(message: BrokerMessage): Promise<Position | undefined>;
  /** Adds one connection of a member to a channel. True when it is the member's first, over all processes. */
  join(channel: string, member: PresenceMember, clientId: string): Promise<boolean>;
  /** Takes one connection of a member away. True when it was the member's last; false as well when it was not there. */
  leave(channel: string, member: string, clientId: string): Promise<boolean>;
  /** The members present, over all processes, in the order in which they came. */
  members(channel: string): Promise<PresenceMember[]>;
  /** Takes away what this process added to presence, and releases connections and timers. Idempotent. */
  close(): Promise<void>;
}
