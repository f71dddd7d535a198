import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import type { SentinelConnector } from 'ioredis';
import type { RedisClient, RedisTlsOptions } from './client.ts';
import { RedisClientError, RedisTlsError } from './errors.ts';
import { describeTarget, type RedisTarget } from './variables.ts';

/** The settings of a client, complete. */
export interface ClientSettings {
  readonly target: RedisTarget;
  readonly tls: RedisTlsOptions;
  readonly name: string;
  /** Milliseconds. */
  readonly connectTimeout: number;
  /** Milliseconds; `false` for none. */
  readonly commandTimeout: number | false;
  readonly maxRetries: number | null;
  readonly offlineQueue: boolean;
}

const FIRST_DELAY = 100;
const LONGEST_DELAY = 5000;

/** Milliseconds to wait before a reconnection: doubling from 100 to 5,000, a random half of it. */
export function reconnectDelay(attempt: number, random: () => number = Math.random): number {
  const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(attempt - 1, 20));
  return Math.round(delay * (0.5 + random() / 2));
}

/** Loads ioredis and makes a client that does not connect before it is told to. */
export async function makeClient(settings: ClientSettings): Promise<RedisClient> {
  const { target } = settings;
  const [{ Cluster, Redis, SentinelConnector }, tls] = await Promise.all([loadLibrary(), tlsOf(settings)]);
  const shared = sharedOptions(settings, tls);
  if (target.mode === 'cluster') return new Cluster([...target.nodes], clusterOptions(settings, shared));
  const options = {
    ...shared,
    lazyConnect: true,
    db: target.db,
    enableOfflineQueue: settings.offlineQueue,
    retryStrategy: (attempt: number) => reconnectDelay(attempt),
  };
  if (target.mode === 'single') return new Redis({ ...options, ...target.nodes[0] });
  return new Redis({
    ...options,
    sentinels: [...target.nodes],
    name: target.master,
    sentinelUsername: target.sentinelUsername,
    sentinelPassword: target.sentinelPassword,
    sentinelRetryStrategy: options.retryStrategy,
    sentinelCommandTimeout: settings.connectTimeout,
    failoverDetector: true,
    Connector: steady(SentinelConnector),
    ...(tls ? { sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
  });
}

async function loadLibrary() {
  try {
    return await import('ioredis');
  } catch (cause) {
    throw new RedisClientError('ioredis cannot be loaded', 'Install the dependencies anew.', cause);
  }
}

/** What is private to a Sentinel connector of ioredis 6. */
interface ConnectorParts {
  failoverDetector?: { cleanup(): void } | null;
  connectToSentinel?(...args: unknown[]): RedisClient;
}

/**
 * A Sentinel connector that goes on looking for the master when it hears of a new one meanwhile: the detector of the
 * connection that was lost stops whatever the connector is at, and that would end the client for good. And one whose
 * connections to Sentinels have somebody who listens to their errors; they would be printed.
 */
function steady(Connector: typeof SentinelConnector): new (options: unknown) => SentinelConnector {
  const Steady = class extends Connector {
    constructor(...args: ConstructorParameters<typeof SentinelConnector>) {
      super(...args);
      const parts = this as unknown as ConnectorParts;
      const connectToSentinel = parts.connectToSentinel?.bind(this);
      if (!connectToSentinel) return;
      parts.connectToSentinel = (...endpoint) => {
        const client = connectToSentinel(...endpoint);
        client.on('error', () => undefined);
        return client;
      };
    }
    override connect(
      ...args: Parameters<SentinelConnector['connect']>
    ): ReturnType<SentinelConnector['connect']> {
      (this as unknown as ConnectorParts).failoverDetector?.cleanup();
      return super.connect(...args);
    }
  };
  return Steady as new (
    options: unknown,
  ) => SentinelConnector;
}

/** What every mode takes. */
interface SharedOptions {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly family: number | undefined;
  readonly connectionName: string;
  readonly connectTimeout: number;
  readonly maxRetriesPerRequest: number | null;
  readonly commandTimeout?: number;
  readonly socketTimeout?: number;
  readonly tls?: ConnectionOptions;
  readonly reconnectOnError: (error: Error) => boolean;
}

function sharedOptions(settings: ClientSettings, tls: ConnectionOptions | undefined): SharedOptions {
  const { target, commandTimeout } = settings;
  return {
    username: target.username,
    password: target.password,
    family: target.family,
    connectionName: settings.name,
    connectTimeout: settings.connectTimeout,
    maxRetriesPerRequest: settings.maxRetries,
    // After a failover the former master answers READONLY until the connection is made anew.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    // A peer that vanished without a word: each command would time out until the kernel gives up, minutes later. Both are
    // longer than run() waits, whose deadline knows an event loop that was blocked from a server that is silent.
    ...(commandTimeout === false
      ? {}
      : { commandTimeout: 2 * commandTimeout, socketTimeout: 2 * commandTimeout }),
    ...(tls ? { tls } : {}),
  };
}

function clusterOptions(settings: ClientSettings, redisOptions: SharedOptions): object {
  return {
    lazyConnect: true,
    enableOfflineQueue: settings.offlineQueue,
    clusterRetryStrategy: (attempt: number) => reconnectDelay(attempt),
    slotsRefreshTimeout: settings.connectTimeout,
    redisOptions,
    // A certificate is for a name: with TLS, names must not be turned into addresses first.
    ...(settings.target.tls ? { dnsLookup: keepName } : {}),
  };
}

const keepName = (name: string, done: (error: null, address: string) => void): void => done(null, name);

/** How a connection is encrypted; `undefined` where it is not. */
export async function tlsOf({
  target,
  tls,
}: Pick<ClientSettings, 'target' | 'tls'>): Promise<ConnectionOptions | undefined> {
  if (!target.tls) return undefined;
  const { ca, servername } = target;
  const authority = ca === undefined ? {} : { ca: await readAuthority(ca, target) };
  const options = { ...authority, ...(servername === undefined ? {} : { servername }), ...tls };
  // Any array of bytes will do for it, whatever its types say.
  return options as ConnectionOptions;
}

async function readAuthority(path: string, target: RedisTarget): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new RedisTlsError(
      describeTarget(target),
      `the certificate authority ${path} cannot be read`,
      'Correct `?ca=` in the URL.',
      cause as Error,
    );
  }
}
