import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob } from '../src/index.ts';
import { bench } from './bench.ts';

interface Child {
  readonly process: ChildProcess;
  readonly lines: string[];
}

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A worker in a process of its own, from the moment it serves. */
async function worker(env: Record<string, string>): Promise<Child> {
  const file = fileURLToPath(new URL('fixtures/worker.ts', import.meta.url));
  const flags = ['--import', 'tsx', '--conditions', '@vibeonrails/infra-source', file];
  const child = spawn(process.execPath, flags, { env: { ...process.env, LOG_LEVEL: 'error', ...env } });
  children.push(child);
  const lines: string[] = [];
  let rest = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      const parts = `${rest}${chunk}`.split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
    });
  await expect.poll(() => lines, { timeout: 30_000 }).toContain('ready');
  return { process: child, lines };
}

const slow = { timeout: 30_000, interval: 50 };
const task = () =>
  defineJob({ name: 'task', schema: z.object({ ms: z.number() }), handler: () => undefined });

describeWith('redis', 'processes that share a queue on BullMQ', (redis) => {
  const shared = () => {
    const prefix = `t${randomUUID()}`;
    const { queue } = bench({ redis: { url: redis().url }, prefix });
    return { queue, env: { REDIS_URL: redis().url, QUEUE_PREFIX: prefix } };
  };

  test('a job whose process is killed runs again in another within 12 seconds, before the last that was kept', {
    timeout: 90_000,
  }, async () => {
    const { queue, env } = shared();
    const [first, second] = await Promise.all([worker(env), worker(env)]);
    const sync = task();
    const unique = { key: 'k', onConflict: 'keep-last' } as const;
    const { id } = await queue.enqueue(sync, { ms: 20_000 }, { unique });
    const started = `start ${id} 1`;
    await expect.poll(() => [...first.lines, ...second.lines], slow).toContain(started);
    const [dropped, kept] = [
      await queue.enqueue(sync, { ms: 1 }, { unique }),
      await queue.enqueue(sync, { ms: 2 }, { unique }),
    ];
    expect([dropped.status, kept.status]).toEqual(['enqueued', 'replaced']);
    const [victim, other] = first.lines.includes(started) ? [first, second] : [second, first];
    victim.process.kill('SIGKILL');
    const killed = Date.now();
    await expect.poll(() => other.lines, slow).toContain(`start ${id} 2`);
    // A loaded machine may take a little longer.
    expect(Date.now() - killed).toBeLessThan(15_000);
    expect(await queue.job(id)).toMatchObject({ state: 'active', attemptsMade: 1 });
    expect(await queue.job(kept.id)).toMatchObject({ state: 'delayed', payload: { ms: 2 } });
    await queue.cancelJob(id);
    await expect.poll(() => other.lines, slow).toContain(`end ${kept.id} 1`);
    expect(other.lines.filter((line) => line.includes(dropped.id))).toEqual([]);
  });

  test('a worker told to end finishes what it runs and leaves the rest', { timeout: 90_000 }, async () => {
    const { queue, env } = shared();
    const jobs = Array.from({ length: 200 }, () => ({ ms: 30 }));
    await queue.enqueueMany(task(), jobs);
    const { process: child, lines } = await worker(env);
    await expect.poll(() => lines.filter((line) => line.startsWith('end')).length, slow).toBeGreaterThan(10);
    child.kill('SIGTERM');
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    const { waiting, active, completed, dead } = await queue.stats();
    expect({ active, dead }).toEqual({ active: 0, dead: 0 });
    expect(waiting).toBeGreaterThan(0);
    expect(waiting + completed).toBe(200);
    expect(lines.filter((line) => line.startsWith('start'))).toHaveLength(completed);
  });

  test('five processes run each tick of a cron once', { timeout: 90_000 }, async () => {
    const { env } = shared();
    const all = await Promise.all(Array.from({ length: 5 }, () => worker({ ...env, WITH_CRON: '1' })));
    const ticks = (): number[] =>
      all.flatMap(({ lines }) =>
        lines.filter((line) => line.startsWith('tick')).map((line) => Number(line.slice(5))),
      );
    const from = Math.max(0, ...ticks());
    await expect.poll(() => ticks().filter((tick) => tick > from).length, slow).toBeGreaterThanOrEqual(4);
    await sleep(300);
    const seen = ticks().sort((a, b) => a - b);
    expect(new Set(seen).size).toBe(seen.length);
    const after = seen.filter((tick) => tick > from);
    expect(after).toEqual(after.map((_, i) => (after[0] ?? 0) + 1000 * i));
  });
});
