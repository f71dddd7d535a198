/** An HTTP request that asks for a WebSocket, copied out of the engine: it stays readable for as long as you like. */
export interface UpgradeRequest {
  /** Path and query, as sent. */
  readonly url: string;
  /** Lower-case names; a header that was sent twice is joined with commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** The address of the socket's other end: a proxy's, where there is one. */
  readonly remoteAddress: string;
  /** True over TLS. */
  readonly encrypted: boolean;
  /** Aborts when the client went away before it was answered. */
  readonly signal: AbortSignal;
}

/** What became of a frame that was sent: handed on, kept in this process for now, or not sent because the socket is closed or more than `maxBackpressure` waits. */
export type SendOutcome = 'sent' | 'buffered' | 'dropped';

/** One open WebSocket. After it closed every call is harmless, and nothing here ever throws. */
export interface EngineSocket {
  /** Sends a text frame. */
  send(text: string): SendOutcome;
  /** Bytes sent that are still in this process; 0 once closed. */
  readonly bufferedAmount: number;
  /** Closes it once what waits has gone out; the engine cuts the socket when that, or the other end's answer, takes longer than seconds. */
  close(code: number, reason: string): void;
  /** Cuts the socket. */
  terminate(): void;
}

/** What an engine calls for one socket. None of these throws. */
export interface SocketEvents {
  /** A whole message. Text is a string; bytes are the receiver's own, and stay valid after the call. */
  message(data: string | Uint8Array): void;
  /** The socket is gone, whoever ended it. Called once, and nothing after it. */
  closed(code: number): void;
}

/** The answer to an {@link UpgradeRequest}. */
export type UpgradeDecision =
  | { readonly refuse: number; readonly reason: string }
  | {
      /** The subprotocol to select. */
      readonly protocol?: string;
      /** Called once the socket is open, unless the client has gone; then `abandoned` is called in its place. */
      open(socket: EngineSocket): SocketEvents;
      abandoned(): void;
    };

/** What an engine is made from. */
export interface EngineOptions {
  /** Upgrades on other paths are answered with 404, or left to whoever else serves the port. */
  readonly path: string;
  /** The largest message in bytes; a larger one ends its socket: with 1009, or cut. */
  readonly maxPayload: number;
  /** Bytes that may wait for a peer that reads slowly; an engine with a limit of its own drops frames beyond. @default no limit */
  readonly maxBackpressure?: number;
  /** Decides on an upgrade. A rejection is answered with 500. */
  upgrade(request: UpgradeRequest): Promise<UpgradeDecision>;
}

/** Gets an `IncomingMessage`, a `Duplex` and a `Buffer`, whose types are those of Node.js. */
export type UpgradeListener = (request: unknown, socket: unknown, head: unknown) => void;

/** The part of a Node HTTP server that is used: one of `node:http` or `node:https`. */
export interface UpgradeServer {
  on(event: 'upgrade', listener: UpgradeListener): unknown;
  off(event: 'upgrade', listener: UpgradeListener): unknown;
  listenerCount(event: 'upgrade'): number;
}

/**
 * What every WebSocket engine does: it turns upgrades into sockets, and frames into calls. Channels, limits and the
 * protocol are above it. `realtimeEngineSuite()` in `./testing` proves an engine.
 *
 * It reads a request's headers before it returns to its loop, checks the UTF-8 of text (1007), sends no frame
 * after a close, and keeps no timer that holds the process.
 */
export interface RealtimeEngine {
  /** Its name, such as `ws`. */
  readonly name: string;
  /** Resolves when its library is loaded; rejects with `E_REALTIME_ENGINE`. Idempotent. */
  ready(): Promise<void>;
  /** Listens on a port of its own, alone on it. Rejects with `E_LISTEN`. Resolves with the port taken. */
  listen(address: { readonly port: number; readonly hostname: string }): Promise<number>;
  /** Serves the upgrades of a Node HTTP server. Absent where the engine cannot share a port. */
  attach?(server: UpgradeServer): Promise<void>;
  /** Cuts every socket, and frees the port or lets go of the server. Idempotent. */
  close(): Promise<void>;
}

/** Makes an engine. */
export type EngineFactory = (options: EngineOptions) => RealtimeEngine;
