import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningRedis } from '@vibeonrails/services';
import { describeWith } from '@vibeonrails/services/vitest';
import { beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { defineJob, type Job, type Queue } from '../src/index.ts';
import { bench } from './bench.ts';
import { type Child, patient, startChild } from './processes.ts';

// The connections say that they are lost and back.
beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));

const payload = z.object({ ms: z.number() });
const define = (queue = 'default'): Job<typeof payload> =>
  defineJob({
    ...{ name: queue === 'default' ? 'task' : `task-${queue}`, schema: payload },
    handler: () => undefined,
    options: { queue, retries: 10 },
  });

const TIMEOUT = 1000;
/** A call takes its deadline; what a busy machine adds is another matter. */
const BOUND = 10 * TIMEOUT;

/** Enqueues an id again and again until it is stored. Each failure on the way comes in time. */
async function persist(queue: Queue, job: Job<typeof payload>, id: string): Promise<void> {
  for (;;) {
    const start = performance.now();
    const error = await queue.enqueue(job, { ms: 1 }, { id }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(performance.now() - start).toBeLessThan(BOUND);
    if (error === undefined) return;
    expect(error).toMatchObject({ code: 'E_QUEUE_UNAVAILABLE', retryable: true });
    await sleep(100);
  }
}

const named = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${what}-${i}`);

/** Those that no worker has brought to an end. */
function missing(worker: Child, ids: readonly string[]): string[] {
  const ended = new Set(worker.said('end').map((line) => line.split(' ')[1]));
  return ids.filter((id) => !ended.has(id));
}

/** Redis replicates after it has answered: what outlives a master for certain is what its replica has by then. */
async function replicated(master: RunningRedis | undefined): Promise<void> {
  await expect.poll(() => master?.command('WAIT', '1', '1000'), patient).toBe('1');
}

describeWith('redis-sentinel', 'a queue behind Sentinel', (sentinel) => {
  test('goes on with the replica when the master dies: what it has runs, and so does what is enqueued meanwhile', {
    timeout: 120_000,
  }, async () => {
    const { url, nodes } = sentinel();
    const { queue } = bench({ redis: { url }, timeout: TIMEOUT });
    const job = define();
    const worker = await startChild('worker.ts', { REDIS_URL: url });
    const [before, during] = [named('before', 30), named('during', 20)];
    for (const id of before) await queue.enqueue(job, { ms: 300 }, { id });
    await expect.poll(() => worker.said('end').length, patient).toBeGreaterThan(5);
    await replicated(nodes[0]);
    await nodes[0]?.kill();
    for (const id of during) await persist(queue, job, id);
    await expect.poll(() => missing(worker, [...before, ...during]), patient).toEqual([]);
    expect(await sentinel().master()).toBe(nodes[1]);
    await expect.poll(async () => (await queue.stats()).completed, patient).toBe(50);
  });
});

describeWith('redis-cluster', 'queues on the masters of a cluster', { replicas: true }, (cluster) => {
  /** The name of a queue for each master, whose keys it keeps. */
  async function queuePerMaster(): Promise<string[]> {
    const [first] = cluster().nodes;
    const names: string[] = [];
    for (let n = 0; names.filter(Boolean).length < 3; n += 1) {
      const slot = Number(await first?.command('CLUSTER', 'KEYSLOT', `{infra-q${n}}`));
      names[Math.floor((slot * 3) / 16_384)] ??= `q${n}`;
    }
    return names;
  }

  test('go on when a replica takes the place of one', { timeout: 120_000 }, async () => {
    const { nodes, replicas } = cluster();
    const url = cluster().url.replace('redis:', 'redis+cluster:');
    const names = await queuePerMaster();
    const { queue } = bench({ redis: { url }, timeout: TIMEOUT });
    const jobs = names.map(define);
    const worker = await startChild('worker.ts', { REDIS_URL: url, QUEUES: names.join(',') });
    const before = names.flatMap((name) => named(`${name}-before`, 15));
    for (const id of before) {
      const job = jobs[names.indexOf(id.split('-')[0] ?? '')];
      if (job) await queue.enqueue(job, { ms: 300 }, { id });
    }
    await expect.poll(() => worker.said('end').length, patient).toBeGreaterThan(10);
    for (const node of nodes) await replicated(node);
    await replicas[2]?.command('CLUSTER', 'FAILOVER');
    const during = await Promise.all(
      jobs.map(async (job, i) => {
        const ids = named(`${names[i]}-during`, 10);
        for (const id of ids) await persist(queue, job, id);
        return ids;
      }),
    );
    await expect.poll(() => missing(worker, [...before, ...during.flat()]), patient).toEqual([]);
    await expect.poll(async () => (await queue.stats()).completed, patient).toBe(75);
    expect(await replicas[2]?.command('INFO', 'replication')).toContain('role:master');
  });
});
