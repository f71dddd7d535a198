import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { newFolder, removeFolder } from './folders.ts';
import { freePort, withFreshPorts } from './ports.ts';
import { type RedisOptions, type RunningRedis, startRedis } from './redis.ts';
import type { Found } from './resolve.ts';
import { redisCommand } from './resp.ts';
import { type ServerControl, startServer } from './server.ts';

/** How a master, its replica and their Sentinel are set up. */
export interface RedisSentinelOptions {
  /** How both servers are set up. */
  readonly node?: Omit<RedisOptions, 'tls' | 'password'>;
}

/** A Sentinel that knows a master and its replica. */
export interface RunningRedisSentinel {
  /** `redis+sentinel://127.0.0.1:<port>/main` */
  readonly url: string;
  /** The first was the master at the start. */
  readonly nodes: readonly RunningRedis[];
  /** The server that is the master now, as the Sentinel sees it. */
  master(): Promise<RunningRedis>;
  /** Has the replica take over from a master that is well. Resolves when the Sentinel says that it has. */
  failover(): Promise<void>;
  /** Ends all of them and removes their folders. Can be called twice. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const NAME = 'main';
const LIMIT = 30_000;

/**
 * Starts a master, a replica and a Sentinel on free ports of 127.0.0.1. The Sentinel has the replica take over two
 * seconds after the master is gone.
 *
 * @throws an Error when a server does not come up, or the Sentinel does not find the replica within 30 seconds.
 */
export async function startRedisSentinel(
  found: Found,
  { node = {} }: RedisSentinelOptions = {},
): Promise<RunningRedisSentinel> {
  const started: { stop(): Promise<void> }[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((one) => one.stop()));
  };
  try {
    // By default a replica waits for others, to be sent everything together.
    const args = [...(node.args ?? []), '--repl-diskless-sync-delay', '0'];
    const first = await startRedis(found, { ...node, args });
    started.push(first);
    const follow = ['--replicaof', '127.0.0.1', String(first.port)];
    const second = await startRedis(found, { ...node, args: [...args, ...follow] });
    started.push(second);
    // A Sentinel looks for replicas at once, and then only every ten seconds.
    await until('have a replica', async () => (await first.command('WAIT', '1', '100')) === '1');
    const sentinel = await withFreshPorts(() => launchSentinel(found, first.port));
    started.push(sentinel.control);
    const ask = async (...words: string[]): Promise<string> => redisCommand(sentinel.address, ...words);
    // It has the replica take over only once that has answered it.
    const asked = /name=sentinel-\S+-cmd .* cmd=(info|ping|publish)/;
    await until('know the replica', async () => asked.test(await second.command('CLIENT', 'LIST')));
    const nodes = [first, second];
    const master = async (): Promise<RunningRedis> => {
      const told = /address=127\.0\.0\.1:(\d+)/.exec(await ask('INFO', 'sentinel'))?.[1];
      const node = nodes.find(({ port }) => String(port) === told);
      if (!node) throw new Error(`The Sentinel names no server of ours as the master: ${told}`);
      return node;
    };
    const failover = async (): Promise<void> => {
      const former = await master();
      const begun = async (): Promise<boolean> =>
        (await ask('SENTINEL', 'FAILOVER', NAME).catch(String)) === 'OK';
      await until('have the replica take over', begun);
      await until('have the replica take over', async () => (await master()) !== former);
    };
    const url = `redis+sentinel://127.0.0.1:${sentinel.address.port}/${NAME}`;
    return { url, nodes, master, failover, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Sentinel {
  readonly control: ServerControl;
  readonly address: { readonly host: string; readonly port: number };
}

async function launchSentinel(found: Found, watched: number): Promise<Sentinel> {
  const file = ('programs' in found ? found.programs['redis-server'] : undefined) ?? 'redis-server';
  const dir = await newFolder('redis-sentinel');
  const address = { host: '127.0.0.1', port: await freePort() };
  const settings = join(dir, 'sentinel.conf');
  const lines = [
    `port ${address.port}`,
    ...['bind 127.0.0.1', `dir ${dir}`],
    `sentinel monitor ${NAME} 127.0.0.1 ${watched} 1`,
    `sentinel down-after-milliseconds ${NAME} 2000`,
    `sentinel failover-timeout ${NAME} 3000`,
  ];
  await writeFile(settings, `${lines.join('\n')}\n`);
  const control = await startServer({
    launch: () => ({ name: 'redis-sentinel', file, args: [settings, '--sentinel'], dir }),
    isReady: async () => (await redisCommand(address, 'PING').catch(() => '')) === 'PONG',
    timeout: 20_000,
    cleanup: () => removeFolder(dir),
  }).catch(async (error: unknown) => {
    await removeFolder(dir);
    throw error;
  });
  return { control, address };
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + LIMIT; !(await holds()); await wait(50))
    if (Date.now() > end)
      throw new Error(`The Redis of a Sentinel does not ${what} within ${LIMIT / 1000} s`);
}
