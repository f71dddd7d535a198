import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from './ports.ts';
import { type RedisOptions, type RunningRedis, startRedis } from './redis.ts';
import type { Found } from './resolve.ts';

/** How a cluster is set up. */
export interface RedisClusterOptions {
  /** Nodes, each with an equal share of the slots. Default 3. */
  readonly masters?: number;
  /** Gives each master a replica, which takes over some seconds after it is gone. Default false. */
  readonly replicas?: boolean;
  /** How every node is set up. Without TLS: the nodes would not trust each other's certificates. */
  readonly node?: Omit<RedisOptions, 'tls'>;
}

/** A cluster whose nodes all say `cluster_state:ok`. */
export interface RunningRedisCluster {
  /** The first node's address: a cluster client finds the others by it. */
  readonly url: string;
  readonly nodes: readonly RunningRedis[];
  /** The replica of each of `nodes`, in their order; none unless asked for. */
  readonly replicas: readonly RunningRedis[];
  /** Ends every node and removes their folders. Can be called twice. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const slots = 16_384;

/**
 * Starts a Redis Cluster (Redis 7 or Valkey) on free ports of 127.0.0.1.
 *
 * @throws a RangeError when `masters` is not a whole number from 1 up, and an Error when a node does not come up, or the nodes do not agree within 20 seconds.
 */
export async function startRedisCluster(
  found: Found,
  { masters = 3, replicas = false, node = {} }: RedisClusterOptions = {},
): Promise<RunningRedisCluster> {
  if (!Number.isInteger(masters) || masters < 1) throw new RangeError(`A cluster of ${masters} masters?`);
  const length = replicas ? 2 * masters : masters;
  const started = await Promise.allSettled(Array.from({ length }, () => startNode(found, node)));
  const members = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const all = members.map(({ redis }) => redis);
  const nodes = all.slice(0, masters);
  const stop = async (): Promise<void> => {
    await Promise.all(all.map((one) => one.stop()));
  };
  try {
    const failed = started.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    await join(members, masters);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: nodes[0]?.url ?? '', nodes, replicas: all.slice(masters), stop, [Symbol.asyncDispose]: stop };
}

interface Member {
  readonly redis: RunningRedis;
  /** Where the nodes talk to each other. */
  readonly bus: number;
}

async function startNode(found: Found, options: Omit<RedisOptions, 'tls'>): Promise<Member> {
  const bus = await freePort();
  const cluster = [
    '--cluster-enabled',
    'yes',
    '--cluster-port',
    String(bus),
    '--cluster-node-timeout',
    '5000',
    // By default a replica waits for others, to be sent everything together.
    '--repl-diskless-sync-delay',
    '0',
  ];
  const args = [...(options.args ?? []), ...cluster];
  return { redis: await startRedis(found, { ...options, args }), bus };
}

/** Shares the slots among the first so many members; each of the others follows one of those. */
async function join(members: readonly Member[], masters: number): Promise<void> {
  const share = slots / masters;
  const [first] = members;
  for (const [index, { redis }] of members.entries()) {
    if (index < masters) {
      const range = [Math.ceil(index * share), Math.ceil((index + 1) * share) - 1].map(String);
      await redis.command('CLUSTER', 'ADDSLOTSRANGE', ...range);
      // Distinct epochs from the start spare the nodes the time to settle which of them is right.
      await redis.command('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
    }
    if (first === undefined || redis === first.redis) continue;
    await redis.command('CLUSTER', 'MEET', '127.0.0.1', String(first.redis.port), String(first.bus));
  }
  await until('agree', () => agree(members));
  for (const [index, { redis }] of members.slice(masters).entries()) {
    const id = await members[index]?.redis.command('CLUSTER', 'MYID');
    await redis.command('CLUSTER', 'REPLICATE', id ?? '');
  }
  await until('all have a replica', () => replicated(members, masters));
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`The nodes of the Redis Cluster do not ${what} within 20 s`);
    await wait(50);
  }
}

async function agree(members: readonly Member[]): Promise<boolean> {
  const infos = await Promise.all(members.map(({ redis }) => redis.command('CLUSTER', 'INFO')));
  const known = new RegExp(`cluster_known_nodes:${members.length}\\b`);
  return infos.every((info) => info.includes('cluster_state:ok') && known.test(info));
}

/** Whether every replica has what its master has, and every node knows it for one. */
async function replicated(members: readonly Member[], masters: number): Promise<boolean> {
  const replicas = members.slice(masters);
  if (replicas.length === 0) return true;
  const links = await Promise.all(replicas.map(({ redis }) => redis.command('INFO', 'replication')));
  const tables = await Promise.all(members.map(({ redis }) => redis.command('CLUSTER', 'NODES')));
  const known = (table: string): boolean => table.match(/ (myself,)?slave /g)?.length === replicas.length;
  return links.every((info) => info.includes('master_link_status:up')) && tables.every(known);
}
