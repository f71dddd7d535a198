import { benchmark } from '../../src/benchmark.ts';
import * as work from './work.ts';

type Measure = typeof work.perSecond;
const WARM = 5000;
const JOBS = 20_000;
const payloads = (count: number): work.Payload[] => Array.from({ length: count }, () => work.PAYLOAD);

async function ours(measure: Measure, many: boolean): Promise<number> {
  await work.emptyRedis();
  const { queue, job } = await work.ourQueue('bullmq', () => undefined);
  const batch = (count: number): Promise<unknown> =>
    many
      ? queue.enqueueMany(job, payloads(count))
      : Promise.all(payloads(count).map((payload) => queue.enqueue(job, payload)));
  const run = (jobs: number): Promise<void> => work.inBatches(jobs, many ? 1000 : 200, batch);
  await run(WARM);
  const figure = await measure(JOBS, () => run(JOBS));
  const { waiting } = await queue.stats();
  if (waiting !== WARM + JOBS) throw new Error(`${waiting} jobs wait.`);
  return figure;
}

async function bullmq(measure: Measure, many: boolean): Promise<number> {
  await work.emptyRedis();
  const schema = await work.payloadSchema();
  const queue = await work.bullQueue();
  const batch = (count: number): Promise<unknown> =>
    many
      ? queue.addBulk(
          payloads(count).map((payload) => ({
            name: 'send-email',
            data: schema.parse(payload),
            opts: work.bullOptions(),
          })),
        )
      : Promise.all(
          payloads(count).map((payload) =>
            queue.add('send-email', schema.parse(payload), work.bullOptions()),
          ),
        );
  const run = (jobs: number): Promise<void> => work.inBatches(jobs, many ? 1000 : 200, batch);
  await run(WARM);
  return measure(JOBS, () => run(JOBS));
}

const pair = (name: string, unit: string, measure: Measure, many: boolean) =>
  benchmark({
    case: name,
    unit,
    services: ['redis'],
    packages: ['bullmq', 'ioredis', 'zod'],
    ours: () => ours(measure, many),
    peers: { bullmq: () => bullmq(measure, many) },
    targets: [{ baseline: 'bullmq', atLeast: 0.85 }],
  });

export const enqueue = pair('enqueue, 200 at once', 'jobs/s', work.perSecond, false);
export const enqueueCpu = pair('enqueue, 200 at once: processor', 'jobs/CPU s', work.perOwnCpuSecond, false);
export const enqueueMany = pair('enqueueMany of 1,000', 'jobs/s', work.perSecond, true);
export const enqueueManyCpu = pair(
  'enqueueMany of 1,000: processor',
  'jobs/CPU s',
  work.perOwnCpuSecond,
  true,
);
