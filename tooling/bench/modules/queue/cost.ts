import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { benchmark } from '../../src/benchmark.ts';
import * as work from './work.ts';

const IMPORTS = 9;

/** What importing a module from a folder takes in a fresh process without loaders, in milliseconds of processor time. */
async function importCost(module: string, cwd: URL): Promise<number> {
  const code = `const cpu = process.cpuUsage();
    await import(${JSON.stringify(module)});
    const { user, system } = process.cpuUsage(cpu);
    console.log((user + system) / 1000);
    process.exit();`;
  const args = ['--input-type=module', '--eval', code];
  const costs: number[] = [];
  for (let i = 0; i < IMPORTS; i += 1) {
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, env: {} });
    costs.push(Number(stdout));
  }
  return costs.sort((a, b) => a - b)[IMPORTS >> 1] ?? Number.NaN;
}

export const importing = benchmark({
  case: 'import the package, built',
  unit: 'CPU ms',
  packages: ['bullmq', 'ioredis'],
  ours() {
    const folder = new URL('../../../../packages/infra-queue/', import.meta.url);
    const built = new URL('dist/index.js', folder);
    if (!existsSync(built)) throw new Error('There is no build: run `npx pnpm build` first.');
    return importCost(built.href, folder);
  },
  peers: { bullmq: () => importCost('bullmq', new URL('../../peers/', import.meta.url)) },
  targets: [{ baseline: 'bullmq', atMost: 0.25 }],
});

const JOBS = 2000;

/** How many commands Redis has carried out, those within scripts counted one by one. */
async function commandsOf(redis: work.Redis): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(await redis.info('stats'))?.[1]);
}

/** Commands that Redis carried out for each job, from before it is enqueued until it is done; ten at once. */
async function commandsPerJob(enqueueAll: (done: () => void) => Promise<unknown>): Promise<number> {
  const redis = await work.connect();
  const { count, all } = work.counter(JOBS);
  const before = await commandsOf(redis);
  await enqueueAll(count);
  await all;
  return ((await commandsOf(redis)) - before) / JOBS;
}

export const commands = benchmark({
  case: 'Redis commands per job, enqueued one by one and run by ten at once',
  unit: 'commands',
  services: ['redis'],
  packages: ['bullmq', 'ioredis', 'zod'],
  async ours() {
    await work.emptyRedis();
    let count = (): void => undefined;
    const { queue, job } = await work.ourQueue('bullmq', () => count());
    await queue.startWorker({ concurrency: 10 });
    return commandsPerJob((done) => {
      count = done;
      return work.inBatches(JOBS, 1, () => queue.enqueue(job, work.PAYLOAD));
    });
  },
  peers: {
    bullmq: async () => {
      await work.emptyRedis();
      const queue = await work.bullQueue();
      let count = (): void => undefined;
      await work.bullWorker(10, () => count());
      return commandsPerJob((done) => {
        count = done;
        return work.inBatches(JOBS, 1, () => queue.add('send-email', work.PAYLOAD, work.bullOptions()));
      });
    },
  },
});

const MANY = 100_000;

/** Megabytes that the process takes, after what is garbage has gone. */
function residentMegabytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 2 ** 20;
}

/** How much more the process takes at the most in the second half of many jobs than in the first: 1 is no more. */
async function growth(enqueue: (batch: number) => Promise<unknown>): Promise<number> {
  const half = async (): Promise<number> => {
    let most = 0;
    for (let done = 0; done < MANY / 2; done += 5000) {
      await work.inBatches(5000, 200, enqueue);
      await work.emptyRedis().then((redis) => redis.disconnect());
      most = Math.max(most, residentMegabytes());
    }
    return most;
  };
  await work.inBatches(5000, 200, enqueue);
  const first = await half();
  return (await half()) / first;
}

const times = (count: number, run: () => Promise<unknown>): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, run));

export const memory = benchmark({
  case: 'memory of a producer, the second 50,000 jobs ÷ the first',
  unit: '× RSS',
  services: ['redis'],
  packages: ['bullmq', 'ioredis', 'zod'],
  async ours() {
    await work.emptyRedis();
    const { queue, job } = await work.ourQueue('bullmq', () => undefined);
    return growth((batch) => times(batch, () => queue.enqueue(job, work.PAYLOAD)));
  },
  peers: {
    bullmq: async () => {
      await work.emptyRedis();
      const queue = await work.bullQueue();
      return growth((batch) => times(batch, () => queue.add('send-email', work.PAYLOAD, work.bullOptions())));
    },
  },
});
