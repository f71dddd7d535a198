import { benchmark } from '../../src/benchmark.ts';
import * as work from './work.ts';

/** Jobs that wait when the worker starts, processed to the last. The first tenth warms up. */
async function measured(
  jobs: number,
  unit: 'jobs/s' | 'jobs/CPU s',
  start: (count: () => void) => Promise<unknown>,
): Promise<number> {
  const warm = Math.floor(jobs / 10);
  const { count, all } = work.counter(jobs);
  let seen = 0;
  let from = 0;
  let cpu = process.cpuUsage();
  await start(() => {
    seen += 1;
    if (seen === warm) {
      from = performance.now();
      cpu = process.cpuUsage();
    }
    count();
  });
  await all;
  const { user, system } = process.cpuUsage(cpu);
  const ms = unit === 'jobs/s' ? performance.now() - from : (user + system) / 1000;
  return ((jobs - warm) / ms) * 1000;
}

async function ours(jobs: number, concurrency: number, unit: 'jobs/s' | 'jobs/CPU s'): Promise<number> {
  await work.emptyRedis();
  let count = (): void => undefined;
  const { queue, job } = await work.ourQueue('bullmq', () => count());
  await queue.enqueueMany(
    job,
    Array.from({ length: jobs }, () => work.PAYLOAD),
  );
  return measured(jobs, unit, async (counted) => {
    count = counted;
    await queue.startWorker({ concurrency });
  });
}

async function bullmq(jobs: number, concurrency: number, unit: 'jobs/s' | 'jobs/CPU s'): Promise<number> {
  await work.emptyRedis();
  const schema = await work.payloadSchema();
  const queue = await work.bullQueue();
  await queue.addBulk(
    Array.from({ length: jobs }, () => ({
      name: 'send-email',
      data: schema.parse(work.PAYLOAD),
      opts: work.bullOptions(),
    })),
  );
  return measured(jobs, unit, (counted) =>
    work.bullWorker(concurrency, (data) => {
      schema.parse(data);
      counted();
    }),
  );
}

const at = (concurrency: number, jobs: number, unit: 'jobs/s' | 'jobs/CPU s') =>
  benchmark({
    case: `process, ${concurrency} at once${unit === 'jobs/s' ? '' : ': processor'}`,
    unit,
    services: ['redis'],
    packages: ['bullmq', 'ioredis', 'zod'],
    ours: () => ours(jobs, concurrency, unit),
    peers: { bullmq: () => bullmq(jobs, concurrency, unit) },
    targets: [{ baseline: 'bullmq', atLeast: 0.9 }],
  });

export const one = at(1, 6000, 'jobs/s');
export const ten = at(10, 20_000, 'jobs/s');
export const hundred = at(100, 20_000, 'jobs/s');
export const tenCpu = at(10, 20_000, 'jobs/CPU s');
