import { benchmark } from '../../src/benchmark.ts';
import { peer } from '../../src/peers.ts';
import * as work from './work.ts';

const JOBS = 12_000;
const CONCURRENCY = 10;

async function ours(driver: 'memory' | 'bullmq', jobs: number): Promise<number> {
  if (driver === 'bullmq') await work.emptyRedis();
  let count = (): void => undefined;
  const { queue, job } = await work.ourQueue(driver, () => count());
  await queue.startWorker({ concurrency: CONCURRENCY });
  const run = (times: number): Promise<unknown> => {
    const counted = work.counter(times);
    count = counted.count;
    const enqueueing = work.inBatches(times, 200, (batch) =>
      Promise.all(Array.from({ length: batch }, () => queue.enqueue(job, work.PAYLOAD))),
    );
    return Promise.all([enqueueing, counted.all]);
  };
  await run(jobs / 4);
  return work.perSecond(jobs, () => run(jobs));
}

async function bullmq(): Promise<number> {
  await work.emptyRedis();
  const schema = await work.payloadSchema();
  const queue = await work.bullQueue();
  let count = (): void => undefined;
  await work.bullWorker(CONCURRENCY, (data) => {
    schema.parse(data);
    count();
  });
  const run = (times: number): Promise<unknown> => {
    const counted = work.counter(times);
    count = counted.count;
    const adding = work.inBatches(times, 200, (batch) =>
      Promise.all(
        Array.from({ length: batch }, () =>
          queue.add('send-email', schema.parse(work.PAYLOAD), work.bullOptions()),
        ),
      ),
    );
    return Promise.all([adding, counted.all]);
  };
  await run(JOBS / 4);
  return work.perSecond(JOBS, () => run(JOBS));
}

interface Boring {
  Job: new () => { payload: unknown };
  QueueManager: { init(config: object): Promise<unknown> };
  Locator: { register(name: string, job: unknown): void };
  Worker: new (config: object) => { start(queues: string[]): Promise<void> };
}

/** It runs on Node.js 24 and later. */
async function boringnode(): Promise<number> {
  await work.emptyRedis();
  const schema = await work.payloadSchema();
  const { Job, QueueManager, Locator, Worker } = await peer<Boring>('@boringnode/queue');
  const { redis } = await peer<{ redis(connection: unknown): unknown }>(
    '@boringnode/queue/drivers/redis_adapter',
  );
  let count = (): void => undefined;
  class SendEmail extends Job {
    static options = {
      name: 'send-email',
      queue: 'default',
      maxRetries: 3,
      removeOnComplete: { count: 1000 },
    };
    async execute(): Promise<void> {
      schema.parse(this.payload);
      count();
    }
  }
  const adapters = { redis: redis(await work.connect()) };
  const config = { default: 'redis', adapters, worker: { concurrency: CONCURRENCY, idleDelay: 10 } };
  await QueueManager.init(config);
  Locator.register('send-email', SendEmail);
  void new Worker(config).start(['default']);
  const dispatch = (): Promise<unknown> =>
    (SendEmail as unknown as { dispatch(payload: unknown): Promise<unknown> }).dispatch(
      schema.parse(work.PAYLOAD),
    );
  const run = (times: number): Promise<unknown> => {
    const counted = work.counter(times);
    count = counted.count;
    const dispatching = work.inBatches(times, 200, (batch) =>
      Promise.all(Array.from({ length: batch }, dispatch)),
    );
    return Promise.all([dispatching, counted.all]);
  };
  await run(JOBS / 4);
  return work.perSecond(JOBS, () => run(JOBS));
}

export const whole = benchmark({
  case: 'enqueue and process, 10 at once',
  unit: 'jobs/s',
  services: ['redis'],
  packages: ['@boringnode/queue', 'bullmq', 'ioredis', 'zod'],
  ours: () => ours('bullmq', JOBS),
  peers: { bullmq, '@boringnode/queue': boringnode },
  targets: [
    { baseline: 'bullmq', atLeast: 0.85 },
    { baseline: '@boringnode/queue', atLeast: 1 },
  ],
});

export const memory = benchmark({
  case: 'enqueue and process in memory, 10 at once',
  unit: 'jobs/s',
  services: ['redis'],
  packages: ['bullmq', 'ioredis', 'zod'],
  ours: () => ours('memory', 10 * JOBS),
  peers: { bullmq },
  targets: [{ baseline: 'bullmq', atLeast: 10 }],
});
