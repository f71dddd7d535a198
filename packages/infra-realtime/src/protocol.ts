/**
 * The wire: one JSON object a text frame.
 *
 * | direction | frame | meaning |
 * |---|---|---|
 * | server → | `{hello: {id, ping}}` | first frame: the client's id, and how often it is pinged (ms) |
 * | client → | `{id, op: 'sub' \| 'unsub' \| 'pub' \| 'presence', ch, ev?, d?, traceparent?}` | a request |
 * | server → | `{id, ok: {...}}` or `{id?, err: {code, msg, retry?}}` | its reply; `id` is missing when the frame had none |
 * | server → | `{ch?, ev, d?, o?, e?}` | a push; without `ch` it is addressed to the user; `o`, `e`: offset and epoch |
 * | both | `{}` | ping and its answer |
 * | server → | `{bye: {code, reconnect, after?}}` | the connection closes next; come back `after` ms |
 */
export const SUBPROTOCOL = 'infra.realtime.v1';

/** In front of the base64url token among the offered subprotocols: a URL would end up in logs. */
export const TOKEN_PREFIX = 'bearer.';

/** A server's ping, and a client's answer. */
export const PING = '{}';

/** A request of a client, its fields checked. */
export interface ClientRequest {
  readonly id: string | number;
  readonly op: 'sub' | 'unsub' | 'pub' | 'presence';
  readonly ch: string;
  readonly ev?: unknown;
  readonly d?: unknown;
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** What a text frame turned out to be. */
export type ParsedFrame =
  | { readonly kind: 'pong' }
  | { readonly kind: 'request'; readonly request: ClientRequest }
  | { readonly kind: 'bad'; readonly id?: string | number; readonly why: string };

const OPERATIONS: readonly unknown[] = ['sub', 'unsub', 'pub', 'presence'];

/** Reads a frame of a client. Never throws. */
export function parseFrame(text: string): ParsedFrame {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return { kind: 'bad', why: 'the frame is not JSON' };
  }
  if (frame === null || typeof frame !== 'object' || Array.isArray(frame))
    return { kind: 'bad', why: 'the frame is not a JSON object' };
  if (Object.keys(frame).length === 0) return { kind: 'pong' };
  const { id, op, ch, traceparent, tracestate, ev, d } = frame as Record<string, unknown>;
  if (!isRequestId(id))
    return { kind: 'bad', why: 'id must be a whole number or a text of up to 64 characters' };
  if (!OPERATIONS.includes(op)) return { kind: 'bad', id, why: 'op must be sub, unsub, pub or presence' };
  if (typeof ch !== 'string') return { kind: 'bad', id, why: 'ch must be a text' };
  const request: ClientRequest = {
    id,
    op: op as ClientRequest['op'],
    ch,
    ev,
    d,
    ...(typeof traceparent === 'string' ? { traceparent } : {}),
    ...(typeof tracestate === 'string' ? { tracestate } : {}),
  };
  return { kind: 'request', request };
}

const isRequestId = (id: unknown): id is string | number =>
  Number.isSafeInteger(id) || (typeof id === 'string' && id !== '' && id.length <= 64);

/** The reply to a request that was done. */
export function okFrame(id: string | number, ok: object = {}): string {
  return JSON.stringify({ id, ok });
}

/** The reply to a request that was not. */
export function errorFrame(
  id: string | number | undefined,
  code: string,
  message: string,
  retry = false,
): string {
  return JSON.stringify({ id, err: { code, msg: message, ...(retry ? { retry } : {}) } });
}

/** The first frame of a connection. `ping` is in milliseconds. */
export function helloFrame(id: string, ping: number): string {
  return JSON.stringify({ hello: { id, ping } });
}

/** The last frame of a connection that is closed on purpose. `after` is in milliseconds. */
export function byeFrame(code: number, reconnect: boolean, after?: number): string {
  return JSON.stringify({ bye: { code, reconnect, after } });
}
