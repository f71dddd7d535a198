import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { newFolder, removeFolder } from './folders.ts';
import type { Launch } from './owned-process.ts';
import { freePort, withFreshPorts } from './ports.ts';
import type { Found } from './resolve.ts';
import { parseRedisUrl, type RedisAddress, redisCommand } from './resp.ts';
import { extend, foreignServer, type ServerControl, startServer } from './server.ts';
import { type Certificate, makeCertificate } from './tls.ts';

/** How a Redis is set up. By default it keeps nothing on disk. */
export interface RedisOptions {
  /** Writes an append-only file, so that data outlives {@link ServerControl.kill}. Default false. */
  readonly appendonly?: boolean;
  /** Such as `64mb`. Default unlimited. */
  readonly maxmemory?: string;
  /** Such as `allkeys-lru`. Default `noeviction`. */
  readonly maxmemoryPolicy?: string;
  /** Default none. */
  readonly password?: string;
  /** Speaks TLS only, with a certificate of its own making. Default false. */
  readonly tls?: boolean;
  /** More arguments for `redis-server`, such as `['--io-threads', '2']`. */
  readonly args?: readonly string[];
}

/** A Redis that answers. */
export interface RunningRedis extends ServerControl {
  /** `redis://127.0.0.1:<port>`, with the password if there is one; `rediss:` with TLS. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Its folder; undefined when it is not ours. */
  readonly dir: string | undefined;
  /** The certificate to trust, with `tls: true`. */
  readonly tls: Certificate | undefined;
  /** Sends one command on a connection of its own and returns the reply as text (`PONG`, `OK`, a value). */
  command(...command: string[]): Promise<string>;
}

/**
 * Starts a Redis on a free port of 127.0.0.1.
 *
 * @throws an Error with the end of its log when it does not come up.
 */
export async function startRedis(found: Found, options: RedisOptions = {}): Promise<RunningRedis> {
  if (found.from === 'environment') return await foreignRedis(found.values.TEST_REDIS_URL ?? '', options);
  if (found.from === 'docker') await pullImage(found.image);
  return await withFreshPorts(async () => await launchRedis(found, options));
}

async function launchRedis(
  found: Exclude<Found, { from: 'environment' }>,
  options: RedisOptions,
): Promise<RunningRedis> {
  const dir = await newFolder('redis');
  const port = await freePort();
  const tls = options.tls ? await makeCertificate(dir) : undefined;
  const { password } = options;
  const address: RedisAddress = {
    host: '127.0.0.1',
    port,
    ...(password !== undefined && { password }),
    ...(tls !== undefined && { tls: { ca: tls.ca } }),
  };
  const args = redisArguments(port, dir, options, tls);
  const control = await startServer({
    launch: () =>
      found.from === 'docker'
        ? dockerLaunch(found.image, port, dir, args)
        : { name: 'redis', file: found.programs['redis-server'] ?? 'redis-server', args, dir },
    isReady: async () => (await redisCommand(address, 'PING').catch(() => '')) === 'PONG',
    timeout: 20_000,
    cleanup: async () => await removeFolder(dir),
  }).catch(async (error: unknown) => {
    await removeFolder(dir);
    throw error;
  });
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  return extend(control, {
    url: `${tls ? 'rediss' : 'redis'}://${secret}127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    dir,
    tls,
    command: async (...command: string[]) => await redisCommand(address, ...command),
  });
}

function redisArguments(
  port: number,
  dir: string,
  options: RedisOptions,
  tls: Certificate | undefined,
): string[] {
  const { appendonly = false, maxmemory, maxmemoryPolicy, password, args = [] } = options;
  return [
    ...['--bind', '127.0.0.1', '--dir', dir, '--daemonize', 'no', '--save', ''],
    ...['--appendonly', appendonly ? 'yes' : 'no'],
    ...(tls
      ? ['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no', '--tls-ca-cert-file', tls.ca]
      : ['--port', String(port)]),
    ...(tls ? ['--tls-cert-file', tls.cert, '--tls-key-file', tls.key] : []),
    ...(maxmemory === undefined ? [] : ['--maxmemory', maxmemory]),
    ...(maxmemoryPolicy === undefined ? [] : ['--maxmemory-policy', maxmemoryPolicy]),
    ...(password === undefined ? [] : ['--requirepass', password]),
    ...args,
  ];
}

/** The folder has the same path inside, so that the same arguments fit; the same user, so that we may remove it. */
function dockerLaunch(image: string, port: number, dir: string, args: readonly string[]): Launch {
  const container = `infra-services-${randomUUID()}`;
  const user =
    process.getuid === undefined ? [] : ['--user', `${process.getuid()}:${process.getgid?.() ?? 0}`];
  const run = ['run', '--rm', '--name', container, '--sig-proxy=false', ...user];
  const reach = ['--publish', `127.0.0.1:${port}:${port}`, '--volume', `${dir}:${dir}`];
  const open = ['--bind', '0.0.0.0', '--protected-mode', 'no'];
  const command = [image, 'redis-server', ...args, ...open];
  return { name: 'redis', file: 'docker', args: [...run, ...reach, ...command], dir, container };
}

async function pullImage(image: string): Promise<void> {
  const docker = promisify(execFile);
  const there = await docker('docker', ['image', 'inspect', image]).catch(() => undefined);
  if (there !== undefined) return;
  process.stderr.write(`services: pulling the docker image ${image}\n`);
  await docker('docker', ['pull', '--quiet', image]);
}

async function foreignRedis(url: string, options: RedisOptions): Promise<RunningRedis> {
  if (Object.keys(options).length > 0) {
    throw new Error('TEST_REDIS_URL names a Redis that cannot be set up: ask for one with { own: true }');
  }
  const address = parseRedisUrl(url);
  const command = async (...words: string[]) => await redisCommand(address, ...words);
  await command('PING').catch((error: unknown) => {
    throw new Error(`TEST_REDIS_URL names a Redis that does not answer on ${address.host}:${address.port}`, {
      cause: error,
    });
  });
  const { host, port } = address;
  return extend(foreignServer('the Redis of TEST_REDIS_URL'), {
    url,
    host,
    port,
    dir: undefined,
    tls: undefined,
    command,
  });
}
