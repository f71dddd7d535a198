import type { RealtimeRequestError } from './client.ts';
import type { MessagePosition } from './client-types.ts';

/** Ends what it came from. */
export type Off = () => void;
export type Listener = (data: never, position: MessagePosition) => void;
export type Listeners = Map<string, Set<Listener>>;
/** A channel as one part of the page uses it. */
export interface Handle {
  readonly listeners: Listeners;
}
/** A channel that is subscribed to. */
export interface Channel {
  readonly handles: Set<Handle>;
  active: boolean;
  /** Confirmed before: the next confirmation is a return. */
  known: boolean;
  refused: boolean;
}
/** A request without an answer so far. */
export interface Pending {
  readonly frame: Record<string, unknown>;
  sent: boolean;
  readonly resolve: (ok: Record<string, unknown>) => void;
  readonly reject: (error: RealtimeRequestError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}
/** What the server may say. */
export interface Frame {
  readonly hello?: { readonly id: string; readonly ping: number };
  readonly bye?: { readonly code: number; readonly reconnect: boolean; readonly after?: number };
  readonly id?: number;
  readonly ok?: Record<string, unknown>;
  readonly err?: { readonly code: string; readonly msg: string; readonly retry?: boolean };
  readonly ch?: string;
  readonly ev?: string;
  readonly d?: unknown;
  readonly o?: number;
  readonly e?: string;
}
