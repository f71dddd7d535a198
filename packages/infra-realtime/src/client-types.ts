import type { RealtimeRequestError } from './client.ts';

/** The part of a WebSocket that is used: a browser's, Node's own from version 22 on, or that of the `ws` package. */
export interface WebSocketLike {
  send(data: string): void;
  close(code?: number, reason?: string): void;
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
}

/** Makes a WebSocket. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => unknown;

/** How a client is made. */
export interface ClientOptions {
  /** Where the server is: `wss://app.example.com/realtime`, or a path on the page's own host. */
  url: string;
  /** A token for `authenticate`, asked for anew before each connection. It is not sent in the URL. */
  getToken?: () => string | null | undefined | Promise<string | null | undefined>;
  /**
   * The wait before the n-th attempt is random between 0 and `min` × 2ⁿ, at most `max`, in milliseconds.
   * @default { min: 500, max: 20000 }
   */
  backoff?: { min?: number; max?: number };
  /** Milliseconds to wait for the server's answer to a request, and for a connection. @default 10000 */
  timeout?: number;
  /** How many publishes may wait for a connection; more are refused at once. @default 100 */
  maxWaiting?: number;
  /** Needed on Node 20: `import { WebSocket } from 'ws'`. @default the global one */
  WebSocket?: WebSocketConstructor;
}

/** `connecting`, then `connected`; `waiting` between two attempts; `closed` for good, until `connect()`. */
export type ClientState = 'connecting' | 'connected' | 'waiting' | 'closed';

/** Somebody in a channel with presence. */
export interface ClientMember {
  readonly id: string;
  readonly info?: unknown;
}

/** The place of a message in a channel that keeps history. */
export interface MessagePosition {
  readonly offset?: number;
  readonly epoch?: string;
}

/** The library's own events of a subscription; all names that start with `$` are kept for it. */
export interface SubscriptionEvents {
  /** The server confirmed, at first and after each reconnect: what was published in between was missed. */
  $subscribed: { readonly members: readonly ClientMember[]; readonly again: boolean };
  /** The server refused; when `retry` is false it will not be asked again. */
  $error: RealtimeRequestError;
  /** A user came, with their first connection. */
  $join: ClientMember;
  /** A user left, with their last connection. */
  $leave: ClientMember;
  /** The server lost its broker for a while: messages may be missing. */
  $gap: Record<string, never>;
}

type Off = () => void;
type Known<E, K> = K extends keyof SubscriptionEvents
  ? SubscriptionEvents[K]
  : K extends keyof E
    ? E[K]
    : never;

/** A channel as one part of the page uses it. */
export interface Subscription<E = Record<string, unknown>> {
  readonly channel: string;
  /** True while the server has confirmed it on the present connection. */
  readonly active: boolean;
  /** Calls `fn` for each event of that name. The returned function ends it. */
  on<K extends (keyof E | keyof SubscriptionEvents) & string>(
    event: K,
    fn: (data: Known<E, K>, position: MessagePosition) => void,
  ): Off;
  /**
   * Publishes to the others in the channel; resolves when the server has taken it. While there is no connection it
   * waits, up to `timeout`. Rejects with a {@link RealtimeRequestError}.
   */
  publish<K extends keyof E & string>(
    event: K,
    data: E[K],
    options?: { timeout?: number },
  ): Promise<MessagePosition>;
  /** Who is in the channel. */
  presence(): Promise<readonly ClientMember[]>;
  /** Ends this subscription and forgets its listeners; others of the same channel go on. */
  unsubscribe(): void;
}

/** A connection that holds itself up, and what is subscribed over it. It keeps a Node process alive until `close()`. */
export interface RealtimeBrowserClient {
  readonly state: ClientState;
  /** The id the server gave this connection; absent while there is none. */
  readonly id: string | undefined;
  /** Told of each change; `reason` says why it is closed or waiting. */
  onState(fn: (state: ClientState, reason?: string) => void): Off;
  /** Told of what was sent to the user, on all their connections, with the server's `toUser`. */
  onUser(event: string, fn: (data: unknown) => void): Off;
  /** Subscribes, and again after each reconnect. `E` maps event names to their data. */
  subscribe<E = Record<string, unknown>>(channel: string): Subscription<E>;
  /** Connects again after `closed`; after a sign-in, for instance. */
  connect(): void;
  /** Closes for good: timers stop, and what waits is rejected. Subscriptions are kept for `connect()`. */
  close(): void;
}
