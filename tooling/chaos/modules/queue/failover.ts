import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from '@vibeonrails/infra-queue';
import { service } from '@vibeonrails/services';
import { chaos, type Random } from '../../src/chaos.ts';
import { Fleet, isIdle, persist, producer, type Redis, until } from './fleet.ts';

const TIMEOUT = 2000;
/** A call comes to an end within its deadline; a busy machine may add to that. */
const BOUND = 5 * TIMEOUT;

/**
 * Redis replicates after it has answered, so that an answer may be lost with the master that gave it. What is
 * promised is the rest: nobody enqueues in the moment before a master is taken away, and the replica has it all.
 */
async function replicated(master: Redis | undefined): Promise<void> {
  if (!(await until(async () => (await master?.command('WAIT', '1', '1000')) === '1', 60_000)))
    throw new Error('The replica does not follow.');
}

/** A producer that enqueues without a pause, except when it is told to hold. */
class Load {
  readonly ids: string[] = [];
  slowest = 0;
  #held: Promise<void> = Promise.resolve();
  #stopped = false;
  #busy: Promise<unknown> = Promise.resolve();

  constructor(enqueue: (id: string, n: number) => Promise<unknown>, random: Random) {
    const work = async (): Promise<void> => {
      for (let n = 0; !this.#stopped; n += 1) {
        await this.#held;
        const id = `job-${n}`;
        this.#busy = persist(() => enqueue(id, n)).then((ms) => {
          this.slowest = Math.max(this.slowest, ms);
        });
        await this.#busy;
        this.ids.push(id);
        await sleep(random.below(10));
      }
    };
    this.ended = work();
  }

  readonly ended: Promise<void>;

  /** Does something while nothing is being enqueued. */
  async between(work: () => Promise<void>): Promise<void> {
    let go = (): void => undefined;
    this.#held = new Promise((resolve) => {
      go = resolve;
    });
    await this.#busy;
    await work().finally(go);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.ended;
  }
}

/** What a run under failovers comes to: every id that was stored ran, and no call took longer than it may. */
async function outcome(load: Load, fleet: Fleet, queue: Queue, rounds: string[]) {
  await load.stop();
  const all = await until(() => load.ids.every((id) => fleet.ends().has(id)), 120_000);
  const settled = await until(() => isIdle(queue), 60_000);
  const ends = fleet.ends();
  const ledger = {
    rounds,
    enqueued: load.ids.length,
    twiceOrMore: [...ends.values()].filter((times) => times > 1).length,
  };
  return {
    expected: { all: true, lost: [], settled: true, dead: 0, inTime: true, ledger },
    seen: {
      all,
      lost: load.ids.filter((id) => !ends.has(id)).slice(0, 10),
      settled,
      dead: (await queue.stats()).dead,
      inTime: load.slowest < BOUND,
      ledger,
    },
  };
}

export const sentinel = chaos({
  case: 'a replica takes over by Sentinel, from a master that is well, frozen or killed: each job runs',
  runs: 2,
  run: async ({ random }) => {
    const found = await service('redis-sentinel', { own: true });
    if (!found.available) throw new Error(found.reason);
    // As the README has it: a master that was replaced and does not know it yet takes no jobs, which would go with it.
    const args = ['--min-replicas-to-write', '1'];
    const servers = await found.start({ node: { appendonly: true, args } });
    const fleet = new Fleet(servers.url);
    try {
      const { queue, short } = await producer({ url: servers.url, timeout: `${TIMEOUT / 1000}s` });
      await fleet.start();
      const load = new Load((id, n) => queue.enqueue(short, { ms: n % 50 }, { id }), random);
      const rounds: string[] = [];
      for (let round = 0; round < 3; round += 1) {
        await sleep(3000);
        const master = await servers.master();
        const kind = random.pick(['planned', 'kill', 'freeze']);
        rounds.push(kind);
        await load.between(async () => {
          await replicated(master);
          if (kind === 'planned') await servers.failover();
          else if (kind === 'kill') await master.kill();
          else master.pause();
        });
        if (!(await until(async () => (await servers.master()) !== master, 60_000)))
          throw new Error('No replica took over.');
        if (kind === 'kill') await master.restart();
        if (kind === 'freeze') master.resume();
        // The former master has to follow the new one before that may be taken away in turn.
        await replicated(await servers.master());
      }
      return await outcome(load, fleet, queue, rounds);
    } finally {
      fleet.stop();
      await servers.stop();
    }
  },
});

export const cluster = chaos({
  case: 'a master of a cluster is taken over from, planned or killed, with queues on all three: each job runs',
  runs: 2,
  run: async ({ random }) => {
    const found = await service('redis-cluster', { own: true });
    if (!found.available) throw new Error(found.reason);
    const servers = await found.start({ replicas: true, node: { appendonly: true } });
    const url = servers.url.replace('redis:', 'redis+cluster:');
    const fleet = new Fleet(url);
    try {
      const names = await queuePerMaster(servers.nodes[0]);
      const { queue, job } = await producer({ url, timeout: `${TIMEOUT / 1000}s` });
      const jobs = names.map((name) => job(`short-${name}`, 20, { queue: name }));
      await fleet.start('worker.ts', { QUEUES: names.join(',') });
      const load = new Load((id, n) => queue.enqueue(jobs[n % 3]!, { ms: n % 50 }, { id }), random);
      const rounds: string[] = [];
      const shards = servers.nodes.map((node, i) => [node, servers.replicas[i]] as const);
      for (const [node, replica] of shards) {
        await sleep(3000);
        const kind = random.pick(['planned', 'kill']);
        rounds.push(kind);
        await load.between(async () => {
          for (const [one] of shards.slice(rounds.length - 1)) await replicated(one);
          if (kind === 'planned') await replica?.command('CLUSTER', 'FAILOVER');
          else await node.kill();
        });
        const took = async (): Promise<boolean> =>
          /role:master/.test((await replica?.command('INFO', 'replication')) ?? '');
        if (!(await until(took, 60_000))) throw new Error('No replica took over.');
        if (kind === 'kill') await node.restart();
      }
      return await outcome(load, fleet, queue, rounds);
    } finally {
      fleet.stop();
      await servers.stop();
    }
  },
});

/** The name of a queue for each third of the slots. */
async function queuePerMaster(node: Redis | undefined): Promise<string[]> {
  const names: string[] = [];
  for (let n = 0; names.filter(Boolean).length < 3; n += 1) {
    const slot = Number(await node?.command('CLUSTER', 'KEYSLOT', `{infra-q${n}}`));
    names[Math.floor((slot * 3) / 16_384)] ??= `q${n}`;
  }
  return names;
}
