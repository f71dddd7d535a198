import type { Reader } from './core.ts';

// It imports nothing: every module that may have a Redis declares its variables with this file.

/** What is wrong with an address. It never holds the address, which may contain a password. */
export class AddressProblem extends Error {
  readonly help: string;

  constructor(problem: string, help: string) {
    super(problem);
    this.help = help;
  }
}

/** One server to connect to. */
interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** A Redis address, taken apart. */
export interface RedisTarget {
  readonly mode: 'single' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  /** The server; the Sentinels; or the nodes by which a cluster is found. */
  readonly nodes: readonly RedisNode[];
  readonly username?: string;
  readonly password?: string;
  /** 0 on a cluster. */
  readonly db: number;
  /** The name of the master that the Sentinels watch. */
  readonly master?: string;
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
  /** IP version: 4 or 6; 0 for either. */
  readonly family?: number;
  /** A file with the certificate authority to trust. */
  readonly ca?: string;
  /** The name the certificate must be for, where it is not the host. */
  readonly servername?: string;
}

/** What a Redis address looks like, for messages. */
export const REDIS_URL_FORM: string =
  'redis://[user:password@]host[:port][/db], redis+sentinel://host[:port],…/master[/db] or redis+cluster://host[:port],…, each with rediss for TLS';

const HELP = `Use ${REDIS_URL_FORM}.`;
const URL_FORM =
  /^(?<scheme>rediss?)(?:\+(?<mode>sentinel|cluster))?:\/\/(?:(?<user>[^/?#]*)@)?(?<hosts>[^/?#@]+)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?$/i;
const HOST_FORM = /^(?:\[(?<v6>[0-9a-f:.]+)\]|(?<name>[^\s:[\]]+))(?::(?<port>\d{1,5}))?$/i;
const PARAMETERS = ['family', 'ca', 'servername', 'sentinelUsername', 'sentinelPassword'] as const;

/** Takes an address apart. @throws {@link AddressProblem} that says what is wrong, without the address. */
export function readAddress(url: string): RedisTarget {
  const parts = URL_FORM.exec(url.trim())?.groups;
  if (!parts) throw new AddressProblem('it is not of the expected form', HELP);
  const mode = (parts.mode?.toLowerCase() ?? 'single') as RedisTarget['mode'];
  const nodes = parseHosts(parts.hosts ?? '', mode);
  const path = (parts.path ?? '').split('/').slice(1).filter(Boolean).map(decode);
  const master = mode === 'sentinel' ? path.shift() : undefined;
  if (mode === 'sentinel' && !master)
    throw new AddressProblem('it does not name the master', 'Use redis+sentinel://host,host/mymaster.');
  const [db = '0', ...rest] = path;
  if (!/^\d{1,9}$/.test(db) || rest.length > 0)
    throw new AddressProblem('its path is not the number of a database', HELP);
  if (mode === 'cluster' && db !== '0')
    throw new AddressProblem('it names a database, and a cluster has only one', 'Leave the path out.');
  return {
    mode,
    tls: parts.scheme?.toLowerCase() === 'rediss',
    nodes,
    db: Number(db),
    ...parseUser(parts.user),
    ...(master === undefined ? {} : { master }),
    ...parseQuery(parts.query ?? '', mode),
  };
}

/** The address without user, password and parameters, for messages and logs. */
export function describeTarget({ mode, tls, nodes, db, master }: RedisTarget): string {
  const hosts = nodes.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
  const path = [master, db === 0 ? undefined : db].filter((part) => part !== undefined).join('/');
  return `${tls ? 'rediss' : 'redis'}${mode === 'single' ? '' : `+${mode}`}://${hosts}${path && `/${path}`}`;
}

/**
 * The variables that lead a module to its Redis: its own, and the one it shares with the others, which counts where its
 * own is not set. Each that is set is checked, and a wrong one is named as it was set.
 *
 * ```ts
 * const config = defineConfig(redisVariables('CACHE_REDIS_URL', 'the Redis of the cache'));
 * const { CACHE_REDIS_URL, REDIS_URL } = config.read();
 * const url = CACHE_REDIS_URL ?? REDIS_URL;
 * ```
 */
export function redisVariables<const Own extends string>(
  own: Own,
  description: string,
): { readonly [Name in Own | 'REDIS_URL']: Reader<string | undefined> } {
  const variables: Record<string, Reader<string | undefined>> = {
    [own]: redisUrl(description),
    REDIS_URL: SHARED,
  };
  return variables as { [Name in Own | 'REDIS_URL']: Reader<string | undefined> };
}

/** Reads an address that `parseRedisUrl` understands. Its value is a secret: it may hold a password. */
const redisUrl = (description: string): Reader<string | undefined> => ({
  '~standard': {
    version: 1,
    vendor: '@vibeonrails/infra',
    validate(text) {
      if (text === undefined) return { value: undefined };
      try {
        readAddress(String(text));
        return { value: String(text) };
      } catch {
        return { issues: [{ message: `expected ${REDIS_URL_FORM}` }] };
      }
    },
  },
  form: REDIS_URL_FORM,
  options: { optional: true, secret: true, description },
});

const SHARED = redisUrl('the Redis of every module that has none of its own');

function parseHosts(hosts: string, mode: RedisTarget['mode']): RedisNode[] {
  const nodes = hosts.split(',').map((text) => {
    const { v6, name, port = mode === 'sentinel' ? '26379' : '6379' } = HOST_FORM.exec(text)?.groups ?? {};
    const host = v6 ?? name;
    if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
      throw new AddressProblem('its host and port are not of the expected form', HELP);
    return { host, port: Number(port) };
  });
  if (mode === 'single' && nodes.length > 1)
    throw new AddressProblem(
      'it names several hosts',
      'Use redis+sentinel:// or redis+cluster:// for more than one.',
    );
  return nodes;
}

function parseUser(user: string | undefined): { username?: string; password?: string } {
  if (!user) return {};
  const colon = user.indexOf(':');
  // A user name alone is no login: it is a password whose colon was forgotten.
  if (colon < 0)
    throw new AddressProblem(
      'it has a user name without a password',
      'Use redis://:password@host for a password alone.',
    );
  const username = decode(user.slice(0, colon));
  const password = decode(user.slice(colon + 1));
  return { ...(username ? { username } : {}), ...(password ? { password } : {}) };
}

function parseQuery(query: string, mode: RedisTarget['mode']): Partial<RedisTarget> {
  const parsed: Record<string, string | number> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const known = PARAMETERS.find((parameter) => parameter === name);
    if (!known || (known.startsWith('sentinel') && mode !== 'sentinel'))
      throw new AddressProblem(
        `it has an unknown parameter "${name.slice(0, 40)}"`,
        `Known are ${PARAMETERS.join(', ')}.`,
      );
    if (known === 'family' && !/^[046]$/.test(value))
      throw new AddressProblem('its family is not 0, 4 or 6', 'Leave it out to use either IP version.');
    parsed[known] = known === 'family' ? Number(value) : value;
  }
  return parsed;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AddressProblem(
      'a "%" in it is not followed by two digits',
      'Write a % of the password as %25.',
    );
  }
}
