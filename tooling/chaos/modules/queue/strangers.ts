import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { chaos } from '../../src/chaos.ts';
import { producer, type Redis, until, withRedis } from './fleet.ts';

const JOBS = 400;

/** What a client of BullMQ's may write that knows nothing of our schemas. The worker takes `{ ms }`, a number. */
const POISON = [null, 'text', 7, [], [{ ms: 1 }], {}, { ms: '1' }, { ms: null }, { ms: { ms: 1 } }];

/** The part of BullMQ's queue that is used here. */
interface Foreign {
  add(name: string, data: unknown, options?: object): Promise<{ id?: string }>;
  close(): Promise<void>;
}

/** A queue of BullMQ's own on the keys of ours. */
async function foreignQueue({ host, port }: Redis): Promise<Foreign> {
  const { resolve } = createRequire(
    new URL('../../../../packages/infra-queue/package.json', import.meta.url),
  );
  const { Queue } = (await import(pathToFileURL(resolve('bullmq')).href)) as {
    Queue: new (name: string, options: object) => Foreign;
  };
  return new Queue('default', { connection: { host, port }, prefix: '{infra-default}' });
}

export const poison = chaos({
  case: 'payloads of another BullMQ client that no schema takes: dead at once, with why, and the others run',
  runs: 1,
  run: ({ random }) =>
    withRedis(async (redis, fleet) => {
      const { queue } = await producer({ url: redis.url });
      const foreign = await foreignQueue(redis);
      await Promise.all([fleet.start(), fleet.start()]);
      const good: string[] = [];
      let bad = 0;
      for (let n = 0; n < JOBS; n += 1) {
        const isBad = random.below(4) === 0;
        if (isBad) bad += 1;
        const data = isBad ? random.pick(POISON) : { ms: random.below(5) };
        const { id = '' } = await foreign.add('strict', data, { attempts: 5, backoff: 100 });
        if (!isBad) good.push(id);
      }
      const all = await until(() => fleet.ends().size === good.length, 60_000);
      const dead = await until(async () => (await queue.stats()).dead === bad, 60_000);
      const letters = await queue.dead({ limit: JOBS });
      await foreign.close();
      return {
        expected: { all: true, each: good.length, dead: true, bad, atOnce: bad, withWhy: bad },
        seen: {
          ...{ all, dead, bad: letters.length },
          each: [...fleet.ends()].filter(([id, times]) => good.includes(id) && times === 1).length,
          atOnce: letters.filter(({ attemptsMade }) => attemptsMade === 1).length,
          withWhy: letters.filter(({ failure }) => failure?.code === 'E_QUEUE_PAYLOAD').length,
        },
      };
    }),
});

export const versions = chaos({
  case: 'two versions of an application side by side: each job runs once, by a worker that knows it',
  runs: 1,
  run: ({ random }) =>
    withRedis(async (redis, fleet) => {
      const { queue, versioned } = await producer({ url: redis.url });
      await Promise.all([
        fleet.start('worker.ts', { VERSION: '1' }),
        fleet.start('worker.ts', { VERSION: '2' }),
        fleet.start('worker.ts', { VERSION: '2' }),
      ]);
      const ids = Array.from({ length: 200 }, (_, n) => `job-${n}`);
      for (const id of ids) {
        const version = 1 + random.below(2);
        await queue.enqueue(versioned(version), { version }, { id: `${id}-${version}` });
      }
      const all = await until(() => fleet.ends().size === ids.length, 400_000);
      const { dead } = await queue.stats();
      const lines = fleet.lines.filter((line) => line.startsWith('end'));
      // `end <id>-<version of the payload> <version of the worker> <attempt>`
      const wrong = lines.filter((line) => /-2 1 /.test(line) || !/ 1$/.test(line));
      return {
        expected: { all: true, lines: ids.length, wrong: [], dead: 0 },
        seen: { all, lines: lines.length, wrong: wrong.slice(0, 5), dead },
      };
    }),
});

export const cancelled = chaos({
  case: 'jobs cancelled from another process while they run: each handler hears of it, none runs again',
  runs: 1,
  run: () =>
    withRedis(async (redis, fleet) => {
      const { queue, short } = await producer({ url: redis.url });
      await Promise.all([fleet.start(), fleet.start()]);
      const ids = Array.from({ length: 10 }, (_, n) => `job-${n}`);
      for (const id of ids) await queue.enqueue(short, { ms: 120_000 }, { id });
      await until(() => fleet.lines.length === ids.length, 30_000);
      const results = await Promise.all(ids.map((id) => queue.cancelJob(id)));
      const aborted = (): string[] => fleet.lines.filter((line) => line.startsWith('aborted'));
      const heard = await until(() => aborted().length === ids.length, 30_000);
      const settled = await until(async () => (await queue.stats()).completed === ids.length, 30_000);
      const starts = fleet.lines.filter((line) => line.startsWith('start')).length;
      return {
        expected: { results: ids.map(() => 'signalled'), heard: true, settled: true, starts: ids.length },
        seen: { results, heard, settled, starts },
      };
    }),
});
