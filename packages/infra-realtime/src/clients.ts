import { logger } from '@vibeonrails/infra-core';
import { RealtimeClientError } from './errors.ts';
import { CLOSE_CODES } from './protocol.ts';

/** What a client's `send` may answer. A promise that rejects means that the client is gone. */
// biome-ignore lint/suspicious/noConfusingVoidType: `send: (d) => ws.send(d)` returns void
export type SendResult = void | boolean | number | Promise<unknown>;

/** A client of any transport: a WebSocket, server-sent events, a test. */
export interface RealtimeClient {
  /** The id of the connection, not of the user: two tabs are two clients. */
  readonly id: string;
  /** Whose it is, for `toUser` and `disconnectUser`. */
  readonly userId?: string;
  /** Writes one text frame. When it throws or rejects, the client is dropped; nobody else notices. */
  send(data: string): SendResult;
  /** Ends the connection. Called once the client is no longer registered; what it throws is ignored. */
  close(code?: number, reason?: string): unknown;
  /** Bytes that were sent and are still in this process. Without it a client is never found to be slow. */
  bufferedAmount?(): number;
  /** The bytes from which on it counts as slow. @default 1 MiB */
  readonly maxBufferedAmount?: number;
}

/** A client and what is kept about it. */
export interface Registered {
  readonly client: RealtimeClient;
  /** Made with the first subscription: most memory of an idle server is here. */
  channels?: Set<string>;
}

/** What happened to clients and messages since the start. */
export interface DeliveryCounts {
  /** Messages handed to clients. */
  delivered: number;
  /** Messages not sent to slow clients on channels with `onSlow: 'drop'`. */
  skipped: number;
  /** Clients closed because they were slow. */
  slow: number;
  /** Clients dropped because their `send` failed. */
  broken: number;
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
