import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { benchmark } from '../../src/benchmark.ts';
import { startNode } from '../../src/child.ts';
import * as work from './work.ts';

/** Seconds from the death of the process that runs a job until a worker in another one has it. */
async function recovered(
  who: 'ours' | 'bullmq',
  enqueue: () => Promise<unknown>,
  startWorker: (run: () => void) => Promise<unknown>,
): Promise<number> {
  const program = fileURLToPath(new URL('programs/holder.ts', import.meta.url));
  const holder = startNode([program, who], ['ignore', 'ignore', 'inherit', 'pipe']);
  const taken = once(holder.stdio[3] as NodeJS.ReadableStream, 'data');
  await enqueue();
  await taken;
  let again = (): void => undefined;
  const rerun = new Promise<void>((resolve) => {
    again = resolve;
  });
  await startWorker(again);
  holder.kill('SIGKILL');
  const from = performance.now();
  await rerun;
  return (performance.now() - from) / 1000;
}

async function ours(): Promise<number> {
  await work.emptyRedis();
  let run = (): void => undefined;
  const { queue, job } = await work.ourQueue('bullmq', () => run());
  return recovered(
    'ours',
    () => queue.enqueue(job, work.PAYLOAD),
    (again) => {
      run = again;
      return queue.startWorker({ concurrency: 1 });
    },
  );
}

async function bullmq(): Promise<number> {
  await work.emptyRedis();
  const queue = await work.bullQueue();
  return recovered(
    'bullmq',
    () => queue.add('send-email', work.PAYLOAD, work.bullOptions()),
    (again) => work.bullWorker(1, again),
  );
}

export const recovery = benchmark({
  case: 'a job runs again after kill -9, defaults',
  unit: 'seconds',
  services: ['redis'],
  packages: ['bullmq', 'ioredis', 'zod'],
  ours,
  peers: { bullmq },
  targets: [{ baseline: 'bullmq', atMost: 0.25 }],
});
