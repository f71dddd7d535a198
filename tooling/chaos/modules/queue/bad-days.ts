import { setTimeout as sleep } from 'node:timers/promises';
import { chaos } from '../../src/chaos.ts';
import { isIdle, persist, producer, until, withRedis } from './fleet.ts';

const TIMEOUT = 2000;
/** A call comes to an end within its deadline; a busy machine may add to that. */
const BOUND = 5 * TIMEOUT;
const timeout = `${TIMEOUT / 1000}s` as const;

/** What was enqueued under faults, and what became of it. */
const ledgerOf = (ends: ReadonlyMap<string, number>, ids: readonly string[]) => ({
  lost: ids.filter((id) => !ends.has(id)).slice(0, 10),
  twiceOrMore: [...ends.values()].filter((times) => times > 1).length,
});

export const full = chaos({
  case: 'Redis is full again and again while jobs are enqueued and run: each is refused or runs, once',
  runs: 1,
  run: ({ random }) =>
    withRedis(async (redis, fleet) => {
      const { queue, short } = await producer({ url: redis.url, timeout });
      await Promise.all([fleet.start(), fleet.start()]);
      const ids: string[] = [];
      let slowest = 0;
      let stopped = false;
      const producing = (async () => {
        for (let n = 0; !stopped; n += 1) {
          const id = `job-${n}`;
          slowest = Math.max(slowest, await persist(() => queue.enqueue(short, { ms: 200 }, { id })));
          ids.push(id);
          await sleep(20);
        }
      })();
      for (let round = 0; round < 5; round += 1) {
        await sleep(1000 + random.below(2000));
        await redis.command('CONFIG', 'SET', 'maxmemory', '1mb');
        // Up to twice as long as it takes until a job without a lock is found.
        await sleep(random.below(20_000));
        await redis.command('CONFIG', 'SET', 'maxmemory', '0');
      }
      stopped = true;
      await producing;
      const all = await until(() => ids.every((id) => fleet.ends().has(id)), 120_000);
      const settled = await until(() => isIdle(queue), 60_000);
      const ledger = ledgerOf(fleet.ends(), ids);
      return {
        expected: { all: true, settled: true, inTime: true, ledger: { lost: [], twiceOrMore: 0 } },
        seen: { all, settled, inTime: slowest < BOUND, ledger },
      };
    }),
});

export const gone = chaos({
  case: 'Redis is gone for a minute, with jobs running and waiting: each runs, nothing has to be restarted',
  runs: 1,
  run: () =>
    withRedis(async (redis, fleet) => {
      const { queue, short } = await producer({ url: redis.url, timeout });
      await Promise.all([fleet.start(), fleet.start()]);
      const ids: string[] = [];
      const add = async (id: string, ms: number): Promise<number> => {
        const slowest = await persist(() => queue.enqueue(short, { ms }, { id }));
        ids.push(id);
        return slowest;
      };
      // Some end before, some meanwhile, and some have yet to run.
      for (let i = 0; i < 100; i += 1) await add(`before-${i}`, 3000);
      await until(() => fleet.ends().size > 10, 30_000);
      await redis.kill();
      let slowest = 0;
      const meanwhile = (async () => {
        for (let i = 0; i < 20; i += 1) slowest = Math.max(slowest, await add(`meanwhile-${i}`, 10));
      })();
      await sleep(60_000);
      await redis.restart();
      await meanwhile;
      const all = await until(() => ids.every((id) => fleet.ends().has(id)), 120_000);
      const settled = await until(async () => (await queue.stats()).completed === ids.length, 60_000);
      const { dead } = await queue.stats();
      const { lost } = ledgerOf(fleet.ends(), ids);
      return {
        expected: { all: true, lost: [], settled: true, dead: 0, inTime: true, alive: 2 },
        seen: { all, lost, settled, dead, inTime: slowest < BOUND, alive: fleet.alive.size },
      };
    }),
});

export const boot = chaos({
  case: 'Redis is gone when a worker starts: the worker says so and ends, the next one serves',
  runs: 1,
  run: () =>
    withRedis(async (redis, fleet) => {
      const { queue, short } = await producer({ url: redis.url, timeout });
      await redis.kill();
      const early = await fleet.start();
      const ended = await until(() => early.exitCode !== null, 60_000);
      const refused = await queue.enqueue(short, { ms: 1 }, { id: 'job' }).catch((error: unknown) => error);
      await redis.restart();
      await persist(() => queue.enqueue(short, { ms: 1 }, { id: 'job' }));
      await fleet.start();
      const ran = await until(() => fleet.ends().get('job') === 1, 60_000);
      return {
        expected: { ended: true, failed: true, code: 'E_QUEUE_UNAVAILABLE', ran: true },
        seen: { ended, failed: early.exitCode !== 0, code: (refused as { code?: string }).code, ran },
      };
    }),
});
