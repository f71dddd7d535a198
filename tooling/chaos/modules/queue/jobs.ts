import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { chaos, type Random } from '../../src/chaos.ts';
import { type Fleet, isIdle, persist, producer, type Redis, until, withRedis } from './fleet.ts';

/** One thing that goes wrong. */
async function fault(random: Random, redis: Redis, fleet: Fleet): Promise<string> {
  const kind = random.pick(['kill a worker', 'kill a worker', 'freeze Redis', 'restart Redis', 'kill Redis']);
  if (kind === 'kill a worker') {
    random.pick([...fleet.alive]).kill('SIGKILL');
    await fleet.start();
  } else if (kind === 'freeze Redis') {
    redis.pause();
    await sleep(5000);
    redis.resume();
  } else {
    await redis.kill(kind === 'kill Redis' ? 'SIGKILL' : 'SIGTERM');
    await sleep(random.below(2000));
    await redis.restart();
  }
  return kind;
}

const JOBS = 10_000;

export const faults = chaos({
  case: '10,000 jobs while workers and Redis are killed, frozen and restarted: each runs',
  runs: 1,
  run: ({ random }) =>
    withRedis(async (redis, fleet) => {
      const { queue, short } = await producer(redis);
      await Promise.all([fleet.start(), fleet.start()]);
      const ids = Array.from({ length: JOBS }, (_, i) => `job-${i}`);
      const enqueueing = (async () => {
        for (const id of ids) await persist(() => queue.enqueue(short, { ms: random.below(20) }, { id }));
      })();
      const happened: string[] = [];
      for (let i = 0; i < 6; i += 1) {
        await sleep(1000 + random.below(3000));
        happened.push(await fault(random, redis, fleet));
      }
      await enqueueing;
      const all = await until(() => fleet.ends().size >= JOBS, 300_000);
      const settled = await until(() => isIdle(queue), 60_000);
      const ends = fleet.ends();
      const { dead } = await queue.stats();
      // Not held against it: at least once is what is promised.
      const ledger = {
        faults: happened,
        twiceOrMore: [...ends.values()].filter((times) => times > 1).length,
      };
      const lost = ids.filter((id) => !ends.has(id));
      return {
        expected: { all: true, lost: [], dead: 0, settled: true, ledger },
        seen: { all, lost: lost.slice(0, 10), dead, settled, ledger },
      };
    }),
});

export const deadly = chaos({
  case: 'a job that kills its process each time is retried, then dead',
  runs: 1,
  run: () =>
    withRedis(async (redis, fleet) => {
      const { queue, deadly: job } = await producer(redis);
      const { id } = await queue.enqueue(job, null);
      const dead = async (): Promise<boolean> => {
        if (fleet.alive.size === 0) await fleet.start();
        return (await queue.job(id))?.state === 'dead';
      };
      const isDead = await until(dead, 180_000);
      const failure = (await queue.job(id))?.failure;
      return {
        expected: { isDead: true, starts: [1, 2, 3], code: 'E_QUEUE_LOST' },
        seen: {
          isDead,
          starts: fleet.lines.map((line) => Number(line.split(' ')[2])),
          code: failure?.code,
        },
      };
    }),
});

export const deploy = chaos({
  case: 'SIGTERM under 1,000 jobs: completed and waiting are what was enqueued',
  runs: 3,
  run: ({ random }) =>
    withRedis(async (redis, fleet) => {
      const { queue, short } = await producer(redis);
      await queue.enqueueMany(
        short,
        Array.from({ length: 1000 }, () => ({ ms: random.below(30) })),
      );
      const worker = await fleet.start();
      await until(() => fleet.ends().size > random.below(300), 30_000);
      worker.kill('SIGTERM');
      const [code] = (await once(worker, 'close')) as [number | null];
      const { waiting, delayed, active, completed, dead } = await queue.stats();
      return {
        expected: { code: 0, together: 1000, delayed: 0, active: 0, dead: 0, starts: completed },
        seen: {
          code,
          together: waiting + completed,
          ...{ delayed, active, dead },
          starts: fleet.lines.filter((line) => line.startsWith('start')).length,
        },
      };
    }),
});

export const blocked = chaos({
  case: 'handlers that block the event loop for 20 seconds: each runs once',
  runs: 1,
  run: () =>
    withRedis(async (redis, fleet) => {
      const { queue, blocking } = await producer(redis);
      await Promise.all([fleet.start(), fleet.start()]);
      for (let i = 0; i < 3; i += 1) await queue.enqueue(blocking, { ms: 20_000 }, { id: `job-${i}` });
      await until(async () => (await queue.stats()).completed === 3, 120_000);
      // One that a blocked process was handed besides its own may have cost an attempt before another took it.
      const lines = fleet.lines.map((line) => line.split(' ').slice(0, 2).join(' ')).sort();
      const of = (word: string): string[] => [0, 1, 2].map((i) => `${word} job-${i}`);
      return { expected: [...of('end'), ...of('start')], seen: lines };
    }),
});

export const killed = chaos({
  case: 'kill -9 in the middle of a job: it runs again within 12 seconds',
  runs: 3,
  run: ({ random }) =>
    withRedis(async (redis, fleet) => {
      const { queue, short } = await producer(redis);
      const victim = await fleet.start();
      await queue.enqueue(short, { ms: 60_000 }, { id: 'job' });
      await until(() => fleet.lines.includes('start job 1'), 30_000);
      await fleet.start();
      await sleep(random.below(5000));
      victim.kill('SIGKILL');
      const from = Date.now();
      const again = await until(() => fleet.lines.includes('start job 2'), 60_000);
      const inTime = Date.now() - from <= 12_000;
      return { expected: { again: true, inTime: true }, seen: { again, inTime } };
    }),
});
