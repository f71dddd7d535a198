import { lookup as systemLookup } from 'node:dns';
import { isIP } from 'node:net';
import type { Clock } from '@vibeonrails/infra-core';

/** Where StatsD listens. */
export interface StatsdTarget {
  readonly protocol: 'udp' | 'tcp';
  readonly host: string;
  readonly port: number;
}

/** Hands packets to a StatsD server. */
export interface StatsdTransport {
  /** Loads the library. */
  ready(): Promise<void>;
  /** Resolves true when the packet was handed to the network, false when it was not, in bounded time. Never rejects. */
  send(packet: string): Promise<boolean>;
  close(): void;
}

/** What is used of a hot-shots client. */
interface Client {
  readonly socket?: {
    on(event: 'close' | 'error', listener: () => void): unknown;
    close(): void;
  } | null;
  sendMessage(message: string, callback: (error?: Error | null) => void): void;
}

type Lookup = (
  host: string,
  family: unknown,
  done: (error: Error | null, address: string, family: number) => void,
) => void;

const DNS_TTL = 60_000;
const DNS_RETRY = 5000;

/** Sends through hot-shots, over one socket that is made anew after it failed. */
export function hotShotsTransport(
  target: StatsdTarget,
  timeout: number,
  clock: () => Clock,
): StatsdTransport {
  let library: Promise<typeof import('hot-shots')> | undefined;
  let client: Client | undefined;
  let closed = false;
  const lookup = cachedLookup(() => clock().now());
  const load = (): Promise<typeof import('hot-shots')> => {
    library ??= import('hot-shots').catch((error: unknown) => {
      library = undefined;
      throw error;
    });
    return library;
  };

  const discard = (former: Client | undefined): void => {
    if (client === former) client = undefined;
    try {
      former?.socket?.close();
    } catch {
      // It was closed already.
    }
  };
  const connect = async (): Promise<Client> => {
    const { StatsD } = await load();
    if (closed) throw new Error('closed');
    if (client) return client;
    const { protocol, host, port } = target;
    const made = new StatsD({
      protocol,
      host,
      port,
      // Packets come packed and finished, and nothing but the declared variables is read: no buffer, tags or
      // telemetry of the library's own. Its UDP socket would take IPv6 addresses of a name for IPv4 ones.
      maxBufferSize: 0,
      datadog: false,
      includeDataDogTags: false,
      includeDatadogTelemetry: false,
      tcpGracefulErrorHandling: false,
      udpSocketOptions: { lookup } as never,
      errorHandler: () => undefined,
    }) as unknown as Client;
    for (const event of ['close', 'error'] as const) made.socket?.on(event, () => discard(made));
    client = made;
    return made;
  };
  const deliver = async (packet: string): Promise<boolean> => {
    let used: Client | undefined;
    let cancel: (() => void) | undefined;
    const outcome = await new Promise<'sent' | 'failed' | 'late'>((resolve) => {
      cancel = clock().after(timeout, () => resolve('late'));
      connect().then(
        (open) => {
          used = open;
          open.sendMessage(packet, (error) => resolve(error ? 'failed' : 'sent'));
        },
        () => resolve('failed'),
      );
    });
    cancel?.();
    // What waits in its socket could still arrive, after it was taken for lost. A UDP socket survives a failure.
    if (outcome === 'late' || (outcome === 'failed' && target.protocol === 'tcp')) discard(used);
    return outcome === 'sent';
  };

  return {
    ready: async () => void (await load()),
    send: (packet) => (closed ? Promise.resolve(false) : deliver(packet).catch(() => false)),
    close() {
      closed = true;
      discard(client);
    },
  };
}

/** Resolves a name once a minute however many packets go there, and lives on the last answer while DNS is down. */
function cachedLookup(now: () => number): Lookup {
  let known: { address: string; family: number } | undefined;
  let failure: Error | undefined;
  let until = 0;
  let waiting: (() => void)[] | undefined;
  return (host, _family, done) => {
    // The address it binds to is asked for as well.
    if (isIP(host) !== 0) {
      done(null, host, isIP(host));
      return;
    }
    const answer = (): void => {
      if (known) done(null, known.address, known.family);
      else done(failure ?? new Error('the name has no address'), '', 4);
    };
    if (now() < until) {
      answer();
      return;
    }
    if (waiting) {
      waiting.push(answer);
      return;
    }
    waiting = [answer];
    systemLookup(host, { family: 4 }, (error, address, family) => {
      if (error) failure = error;
      else known = { address, family };
      until = now() + (error ? DNS_RETRY : DNS_TTL);
      const all = waiting ?? [];
      waiting = undefined;
      for (const tell of all) tell();
    });
  };
}
