import type { RedisClient, RedisConnection, RedisTlsOptions } from './client.ts';
import { connection } from './connection.ts';
import { type Clock, type Duration, defineConfig, type Env, systemClock, toMs } from './core.ts';
import { RedisClientError, RedisUrlError } from './errors.ts';
import {
  AddressProblem,
  describeTarget,
  type RedisTarget,
  readAddress,
  redisVariables,
} from './variables.ts';

/** Modules that can have a Redis of their own. */
export type RedisUser = 'queue' | 'cache' | 'realtime';

/** How a connection is made. */
export interface ConnectRedisOptions {
  /** The module it is for: `queue` reads QUEUE_REDIS_URL, and REDIS_URL where that is not set. */
  for?: RedisUser;
  /** @default the variable of the module, else REDIS_URL */
  url?: string;
  /** A client of the application's, in place of a URL. It is never closed here, and its own settings stay as they are. */
  client?: RedisClient;
  /** How a `rediss` connection is encrypted. @default the system's certificate authorities, or `?ca=` of the URL */
  tls?: RedisTlsOptions;
  /** Shown in `CLIENT LIST`, logs and health reports. @default 'infra-' and the module it is for, or 'infra' */
  name?: string;
  /** How long `ready()` waits, and each attempt to connect. @default '5s' */
  connectTimeout?: Duration;
  /** How long `run()` waits for a reply, and a command of the bare client twice as long; `false` for commands that block, such as a worker's. @default '5s' */
  commandTimeout?: Duration | false;
  /** Failed reconnections after which the commands that wait fail; `null` for any number. @default 3 */
  maxRetries?: number | null;
  /** Keeps commands while the connection is down, in place of failing them at once. @default true */
  offlineQueue?: boolean;
  /**
   * For whom a late answer is worth nothing. `run()` never takes longer than `commandTimeout`, the first connection
   * included, and fails at once while the connection is known to be down; nothing is sent late, or a second time. It
   * stands for `maxRetries: 0` and `offlineQueue: false`. @default false
   */
  failFast?: boolean;
  /** @default the machine's clock */
  clock?: Clock;
  /** @default process.env */
  env?: Env;
}

/**
 * Makes a connection to Redis: one server, Sentinel or Cluster, by its URL. It connects at `ready()` or at its first
 * use, tries again by itself when the server is away, and closes at shutdown.
 *
 * ```ts
 * const redis = connectRedis({ for: 'queue' });
 * await redis.ready();
 * await redis.run((client) => client.call('SET', 'greeting', 'hello'));
 * ```
 *
 * @throws {@link RedisUrlError} `E_REDIS_URL` without an address or for a wrong one, `E_CONFIG` for a variable that is
 * none, {@link RedisClientError} `E_REDIS_CLIENT` for a client that cannot be used.
 */
export function connectRedis(options: ConnectRedisOptions = {}): RedisConnection {
  const plan = {
    name: options.name ?? (options.for ? `infra-${options.for}` : 'infra'),
    connectTimeout: toMs(options.connectTimeout ?? '5s'),
    commandTimeout:
      options.commandTimeout === false ? (false as const) : toMs(options.commandTimeout ?? '5s'),
    failFast: options.failFast ?? false,
    clock: options.clock ?? systemClock,
  };
  if (options.client) return borrow(options.client, plan);
  const target = targetOf(options);
  const { tls = {}, maxRetries = plan.failFast ? 0 : 3, offlineQueue = !plan.failFast } = options;
  return connection({
    ...plan,
    address: describeTarget(target),
    owned: true,
    duplicate: (name = plan.name) => connectRedis({ ...options, name }),
    async diagnose() {
      const { findTlsProblem, tlsOf } = await import('./engine.ts');
      return findTlsProblem(target, await tlsOf({ target, tls }));
    },
    async make() {
      const { makeClient } = await import('./engine.ts');
      return makeClient({ ...plan, target, tls, maxRetries, offlineQueue });
    },
  });
}

type CommonPlan = Pick<
  Parameters<typeof connection>[0],
  'name' | 'connectTimeout' | 'commandTimeout' | 'failFast' | 'clock'
>;

/** A connection over the application's client. A duplicate of it is made here, and so is closed here. */
function borrow(client: RedisClient, plan: CommonPlan): RedisConnection {
  if (typeof client.call !== 'function' || typeof client.duplicate !== 'function')
    throw new RedisClientError('it is no ioredis client', 'Pass a Redis or Cluster of ioredis 5.11 or 6.');
  const { options } = client as { options?: { keyPrefix?: unknown } };
  if (options?.keyPrefix)
    throw new RedisClientError(
      'it has a keyPrefix, which scripts and scans do not see',
      'Pass a client without one; each module puts a prefix of its own before its keys.',
    );
  const shared = { ...plan, address: 'the address of the application’s client' };
  const duplicate = (name = plan.name): RedisConnection =>
    connection({ ...shared, name, duplicate, owned: true, make: async () => client.duplicate() });
  return connection({ ...shared, duplicate, owned: false, make: async () => client });
}

function targetOf({ for: user, url, tls, env }: ConnectRedisOptions): RedisTarget {
  const target = parseRedisUrl(url ?? fromEnvironment(user, env));
  if (tls && !target.tls)
    throw new RedisUrlError(
      '`tls` is given and the URL is one without TLS',
      'Write rediss in place of redis.',
    );
  return target;
}

/** Takes an address apart. @throws {@link RedisUrlError} `E_REDIS_URL` that says what is wrong, without the address. */
export function parseRedisUrl(url: string): RedisTarget {
  try {
    return readAddress(url);
  } catch (thrown) {
    throw thrown instanceof AddressProblem ? new RedisUrlError(thrown.message, thrown.help) : thrown;
  }
}

const OWNER = { package: '@vibeonrails/infra-redis' };

const { REDIS_URL } = redisVariables('REDIS_URL', '');
const shared = defineConfig({ REDIS_URL }, OWNER);

/** The variable that holds a module's own address. */
const variableOf = (user: RedisUser): `${Uppercase<RedisUser>}_REDIS_URL` =>
  `${user.toUpperCase() as Uppercase<RedisUser>}_REDIS_URL`;

/** The address that the environment holds for a module, or for whoever is none. @throws `E_CONFIG` for one that is none. */
function addressOf(user: RedisUser | undefined, env: Env | undefined): string | undefined {
  if (!user) return shared.read(env).REDIS_URL;
  const own = variableOf(user);
  // Declared when it is asked for: an application without a queue has no variable for one.
  const values = defineConfig(redisVariables(own, `the Redis of the ${user}`), OWNER).read(env);
  return values[own] ?? values.REDIS_URL;
}

function fromEnvironment(user: RedisUser | undefined, env: Env | undefined): string {
  const found = addressOf(user, env);
  if (found !== undefined) return found;
  const variables = user ? `${variableOf(user)} or REDIS_URL` : 'REDIS_URL';
  throw new RedisUrlError('there is none', `Set ${variables}, or pass \`url\` or \`client\`.`);
}
