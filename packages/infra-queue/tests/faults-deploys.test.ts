import { randomUUID } from 'node:crypto';
import { describeWith } from '@vibeonrails/services/vitest';
import { Queue as BullQueue } from 'bullmq';
import { Redis } from 'ioredis5';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob } from '../src/index.ts';
import { bench } from './bench.ts';
import { patient, startChild } from './processes.ts';

const payload = z.object({ ms: z.number() });
const MINUTE = 60_000;
const NODE_OPTIONS = `--import=${new URL('fixtures/clock.mjs', import.meta.url).href}`;

describeWith('redis', 'processes that differ', (redis) => {
  const shared = () => {
    const prefix = `t${randomUUID()}`;
    const { queue } = bench({ redis: { url: redis().url }, prefix });
    return { queue, prefix, env: { REDIS_URL: redis().url, QUEUE_PREFIX: prefix } };
  };

  test('a worker leaves a job of a newer version to the one that knows it, which migrates the older ones', {
    timeout: 90_000,
  }, async () => {
    const { queue, env } = shared();
    const former = defineJob({
      name: 'greet',
      schema: z.object({ name: z.string() }),
      handler: () => undefined,
    });
    const old = await startChild('versions.ts', { ...env, VERSION: '1' });
    await queue.enqueue(former, { name: 'Ada' }, { id: 'first' });
    await expect.poll(() => old.said('v1'), patient).toEqual(['v1 first 1 {"name":"Ada"}']);
    const latter = defineJob({
      name: 'greet',
      schema: z.object({ name: z.string(), locale: z.string() }),
      handler: () => undefined,
      options: { version: 2, migrate: { 1: (old: { name: string }) => ({ ...old, locale: 'en' }) } },
      replace: true,
    });
    await queue.enqueue(latter, { name: 'Bob', locale: 'fr' }, { id: 'second' });
    await expect.poll(async () => (await queue.job('second'))?.state, patient).toBe('delayed');
    old.process.kill('SIGTERM');
    const latest = await startChild('versions.ts', { ...env, VERSION: '2' });
    await expect.poll(() => latest.said('v2'), patient).toContain('v2 second 1 {"name":"Bob","locale":"fr"}');
    defineJob({ name: 'greet', schema: former.schema, handler: () => undefined, replace: true });
    await queue.enqueue(former, { name: 'Cem' }, { id: 'third' });
    await expect.poll(() => latest.said('v2'), patient).toContain('v2 third 1 {"name":"Cem","locale":"en"}');
    expect((await queue.stats()).dead).toBe(0);
  });

  test('what another BullMQ client wrote that no schema takes is dead at once, and the rest goes on', {
    timeout: 90_000,
  }, async () => {
    const { queue, prefix, env } = shared();
    const worker = await startChild('worker.ts', env);
    const connection = new Redis(redis().url);
    const foreign = new BullQueue('default', { connection, prefix: `{${prefix}-default}` });
    const job = defineJob({ name: 'task', schema: payload, handler: () => undefined });
    const poison = [null, 'text', { ms: '1' }, {}, [1]];
    for (const data of poison) {
      await foreign.add('task', data, { attempts: 5 });
      await queue.enqueue(job, { ms: 1 });
    }
    await expect.poll(() => worker.said('end').length, patient).toBe(poison.length);
    await expect.poll(async () => (await queue.stats()).dead, patient).toBe(poison.length);
    for (const { attemptsMade, failure } of await queue.dead()) {
      expect(attemptsMade).toBe(1);
      expect(failure).toMatchObject({ code: 'E_QUEUE_PAYLOAD' });
    }
    await foreign.close();
    connection.disconnect();
  });

  test('a worker with a wrong clock keeps its locks, which Redis times', { timeout: 90_000 }, async () => {
    const job = defineJob({ name: 'blocking', schema: payload, handler: () => undefined });
    const keeps = async (ahead: number): Promise<void> => {
      const { queue, prefix, env } = shared();
      const worker = await startChild('blocking.ts', { ...env, NODE_OPTIONS, CLOCK_AHEAD: String(ahead) });
      const { id } = await queue.enqueue(job, { ms: 300_000 });
      await expect.poll(() => worker.said('start'), patient).toEqual([`start ${id} 1`]);
      const lock = `{${prefix}-default}:default:${id}:lock`;
      // Whoever renews it sets its time anew.
      await redis().command('PEXPIRE', lock, '600000');
      await expect.poll(async () => Number(await redis().command('PTTL', lock)), patient).toBeLessThan(6000);
      expect(await redis().command('EXISTS', lock)).toBe('1');
    };
    await Promise.all([keeps(5 * MINUTE), keeps(-5 * MINUTE)]);
  });
});
