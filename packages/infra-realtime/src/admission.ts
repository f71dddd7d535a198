import type { Clock } from '@vibeonrails/infra-core';
import type { Identity } from './channel-types.ts';
import type { UpgradeRequest } from './engine.ts';
import { SUBPROTOCOL, TOKEN_PREFIX } from './protocol.ts';

/** What `authenticate` is shown of a connection that wants in. It stays readable after an await. */
export interface UpgradeSnapshot {
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** The client's address: the socket's, or what a trusted proxy says. */
  readonly ip: string;
  readonly origin?: string;
  /** What the browser client's `getToken` gave. It travels in `Sec-WebSocket-Protocol`, not in the URL. */
  readonly token?: string;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

/** Who a connection belongs to; null for nobody, who is not let in. */
export type Authenticate = (snapshot: UpgradeSnapshot) => Identity | null | Promise<Identity | null>;

/** Reads a request. */
export function takeSnapshot(request: UpgradeRequest, trustedProxies: ReadonlySet<string>): UpgradeSnapshot {
  const [path = '/', query = ''] = request.url.split(/\?(.*)/s);
  const token = tokenIn(request.headers['sec-websocket-protocol']);
  const { origin } = request.headers;
  return {
    path,
    query: new URLSearchParams(query),
    headers: request.headers,
    ip: clientAddress(request, trustedProxies),
    ...(origin === undefined ? {} : { origin }),
    ...(token === undefined ? {} : { token }),
    signal: request.signal,
  };
}

const offered = (header: string | undefined): string[] =>
  (header ?? '').split(',').map((name) => name.trim());

/** The subprotocol to select: ours, where it was offered. */
export function chooseProtocol(request: UpgradeRequest): { protocol?: string } {
  return offered(request.headers['sec-websocket-protocol']).includes(SUBPROTOCOL)
    ? { protocol: SUBPROTOCOL }
    : {};
}

function tokenIn(header: string | undefined): string | undefined {
  const found = offered(header).find((name) => name.startsWith(TOKEN_PREFIX));
  return found && Buffer.from(found.slice(TOKEN_PREFIX.length), 'base64url').toString('utf8');
}

const plain = (address: string): string => address.trim().replace(/^::ffff:(?=\d+\.)/, '');

/** Walks `X-Forwarded-For` from the right for as long as it was a trusted proxy that wrote it: the rest can be forged. */
function clientAddress(request: UpgradeRequest, trusted: ReadonlySet<string>): string {
  const chain = (request.headers['x-forwarded-for'] ?? '').split(',').map(plain).filter(Boolean);
  let address = plain(request.remoteAddress);
  while (trusted.has(address) && chain.length > 0) address = chain.pop() ?? address;
  return address;
}

/** Counts connections per address. */
export function addressCounter(limit: number): { take(ip: string): boolean; release(ip: string): void } {
  const counts = new Map<string, number>();
  return {
    take(ip) {
      const count = counts.get(ip) ?? 0;
      if (count >= limit) return false;
      counts.set(ip, count + 1);
      return true;
    },
    release(ip) {
      const count = (counts.get(ip) ?? 0) - 1;
      if (count > 0) counts.set(ip, count);
      else counts.delete(ip);
    },
  };
}

/** Runs a hook of the application, and gives up on it after `limit`, or when `signal` aborts. */
export async function withinTime<T>(
  clock: Clock,
  limit: number,
  signal: AbortSignal,
  run: () => T | Promise<T>,
): Promise<T> {
  const result = run();
  if (!(result instanceof Promise)) return result;
  let giveUp = (_why: string): void => undefined;
  const late = new Promise<never>((_, reject) => {
    giveUp = (why) => reject(new Error(why));
  });
  const cancel = clock.after(limit, () => giveUp(`a hook of the application took longer than ${limit} ms`));
  const onAbort = (): void => giveUp('the client went away');
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([result, late]);
  } finally {
    cancel();
    signal.removeEventListener('abort', onAbort);
  }
}
