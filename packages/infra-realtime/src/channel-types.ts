import type { Schema } from './core.ts';
import type { SlowPolicy } from './realtime.ts';

declare const EVENTS: unique symbol;

/** A channel's name that knows which events the channel carries. */
export type ChannelName<E> = string & { readonly [EVENTS]: E };

/** The events of a {@link ChannelName}, or of a channel made with {@link channel}; any event for a plain text. */
export type EventsOf<C> = C extends string
  ? C extends { readonly [EVENTS]: infer E }
    ? E
    : Record<string, unknown>
  : C extends { readonly [EVENTS]?: infer E }
    ? E
    : never;

/** The parameters of a pattern: `'chat.:room'` has `room`. */
export type ChannelParams<P extends string> = P extends `${infer Head}.${infer Tail}`
  ? ChannelParams<Head> & ChannelParams<Tail>
  : P extends `:${infer Name}`
    ? { readonly [K in Name]: string }
    : unknown;

/** Who a connection belongs to, as `authenticate` said. */
export interface Identity {
  /** Makes the connection reachable for `toUser`, and one member in presence with the user's other connections. */
  readonly userId?: string;
  readonly [field: string]: unknown;
}

/** What `authorize` is told beside the channel's parameters. */
export interface AuthorizeContext {
  readonly identity: Identity;
  readonly clientId: string;
  readonly channel: string;
}

/** What `authorize` answers when it says more than yes. */
export interface Admission {
  /** What the other members see of this one. JSON. */
  readonly member?: unknown;
  /** False for a client that may listen but not publish. @default true */
  readonly publish?: boolean;
}

/** How a channel is defined. */
export interface ChannelOptions<P extends string, S extends Readonly<Record<string, Schema>>> {
  /** The events it carries, each with the schema of its data (any Standard Schema). */
  schema?: S;
  /** The events that clients may publish. All others come from the server alone. @default none */
  clientEvents?: readonly (keyof S & string)[];
  /** Who may subscribe. @default everyone who is connected */
  authorize?(
    context: AuthorizeContext,
    params: ChannelParams<P>,
  ): boolean | Admission | Promise<boolean | Admission>;
  /** True to keep a list of who is there and tell the channel who comes and goes. @default false */
  presence?: boolean;
  /**
   * What to do with a client that reads too slowly: `close` it, so that it comes back and knows that it missed
   * something, or `drop` the message, for what is stale in a second anyway. @default 'close'
   */
  onSlow?: SlowPolicy;
}

/** A kind of channel, made with {@link channel}. */
export interface ChannelDefinition<P extends string, E> {
  /** Never there: it carries the type of the events. */
  readonly [EVENTS]?: E;
  readonly pattern: P;
  readonly schema: ReadonlyMap<string, Schema>;
  readonly clientEvents: ReadonlySet<string>;
  readonly presence: boolean;
  readonly onSlow: SlowPolicy;
  /** The name of one channel of this kind. @throws `E_REALTIME_CHANNEL_NAME` when a parameter cannot be part of a name. */
  name(...params: unknown extends ChannelParams<P> ? [] : [params: ChannelParams<P>]): ChannelName<E>;
  /** The parameters in `name`; `undefined` when it is not of this kind. */
  match(name: string): Readonly<Record<string, string>> | undefined;
  /** Who may subscribe. */
  authorize(
    context: AuthorizeContext,
    params: Readonly<Record<string, string>>,
  ): boolean | Admission | Promise<boolean | Admission>;
}

/** Any channel definition, as a server takes them. */
export type AnyChannel = Omit<ChannelDefinition<string, unknown>, 'name' | typeof EVENTS>;
