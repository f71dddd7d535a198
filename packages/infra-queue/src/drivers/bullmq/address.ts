import type { QueueRedisOptions } from './redis-options.ts';
import type { StoreOptions } from './store.ts';

/** Where Redis is, in a form that can be sent to another thread. */
export interface ThreadAddress {
  readonly url?: string;
  readonly tls?: NonNullable<QueueRedisOptions['tls']>;
  readonly env?: Readonly<Record<string, string>>;
}

/** The settings of an ioredis client that say where it leads. */
interface Settings {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string | null;
  readonly username?: string | null;
  readonly password?: string | null;
  readonly db?: number;
  readonly family?: number;
  readonly tls?: object;
  readonly sentinels?: readonly Settings[] | null;
  /** Of the master that the Sentinels watch. */
  readonly name?: string;
  readonly sentinelUsername?: string | null;
  readonly sentinelPassword?: string | null;
  readonly natMap?: unknown;
  readonly redisOptions?: Settings;
}

interface Client {
  readonly isCluster: boolean;
  readonly options?: Settings;
  readonly startupNodes?: readonly (string | number | Settings)[];
}

const VARIABLES = ['QUEUE_REDIS_URL', 'REDIS_URL'] as const;

/** Where the queue's Redis is; `undefined` for a client whose settings another thread cannot be told. */
export function threadAddress({ url, tls, env, client }: StoreOptions['redis']): ThreadAddress | undefined {
  if (client) return clientAddress(client as unknown as Client);
  if (tls && !isPlain(tls)) return undefined;
  const variables = VARIABLES.flatMap((name) => {
    const value = env?.[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    ...(url === undefined ? { env: Object.fromEntries(variables) } : { url }),
    ...(tls ? { tls } : {}),
  };
}

function clientAddress({ isCluster, options = {}, startupNodes = [] }: Client): ThreadAddress | undefined {
  const settings = isCluster ? (options.redisOptions ?? {}) : options;
  const { username, password, family, sentinels, name, db } = settings;
  const { tls } = settings;
  if (settings.path || options.natMap || (tls && !isPlain(tls))) return undefined;
  const nodes = isCluster ? startupNodes : (sentinels ?? [settings]);
  if (!nodes.every((node): node is Settings => typeof node === 'object')) return undefined;
  const login = password ? `${encodeURIComponent(username ?? '')}:${encodeURIComponent(password)}@` : '';
  const hosts = nodes.map(
    ({ host = '127.0.0.1', port }) => `${host.includes(':') ? `[${host}]` : host}${port ? `:${port}` : ''}`,
  );
  const mode = isCluster ? '+cluster' : sentinels ? '+sentinel' : '';
  const path = [sentinels ? name : undefined, db || undefined].filter((part) => part !== undefined);
  const query = new URLSearchParams({
    ...(family ? { family: String(family) } : {}),
    ...(sentinels && settings.sentinelUsername ? { sentinelUsername: settings.sentinelUsername } : {}),
    ...(sentinels && settings.sentinelPassword ? { sentinelPassword: settings.sentinelPassword } : {}),
  });
  const url = `${tls ? 'rediss' : 'redis'}${mode}://${login}${hosts.join(',')}/${path.join('/')}?${query}`;
  return { url, ...(tls ? { tls } : {}) };
}

/** True without functions and objects of other classes, which cannot be sent to another thread as they are. */
function isPlain(value: unknown): boolean {
  if (typeof value === 'function' || typeof value === 'symbol') return false;
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return true;
  if (Array.isArray(value)) return value.every(isPlain);
  return Object.getPrototypeOf(value) === Object.prototype && Object.values(value).every(isPlain);
}
