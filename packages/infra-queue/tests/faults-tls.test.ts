import { randomUUID } from 'node:crypto';
import { describeWith } from '@vibeonrails/services/vitest';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob } from '../src/index.ts';
import { bench } from './bench.ts';
import { patient, startChild } from './processes.ts';

const define = (name: string) =>
  defineJob({ name, schema: z.object({ ms: z.number() }), handler: () => undefined });

describeWith('redis', 'a queue over TLS, with an authority of its own', { tls: true }, (redis) => {
  const url = (): string => `${redis().url}?ca=${encodeURIComponent(redis().tls?.ca ?? '')}`;

  test('a job that one process enqueues is run by another', { timeout: 90_000 }, async () => {
    const { queue } = bench({ redis: { url: url() } });
    const worker = await startChild('worker.ts', { REDIS_URL: url() });
    const { id } = await queue.enqueue(define('task'), { ms: 1 });
    await expect.poll(() => worker.said('end'), patient).toEqual([`end ${id} 1`]);
    await expect.poll(async () => (await queue.job(id))?.state, patient).toBe('completed');
  });

  test('the lock of a job is renewed while its handler blocks the event loop', {
    timeout: 90_000,
  }, async () => {
    const prefix = `t${randomUUID()}`;
    const { queue } = bench({ redis: { url: url() }, prefix });
    const worker = await startChild('blocking.ts', { REDIS_URL: url(), QUEUE_PREFIX: prefix });
    const { id } = await queue.enqueue(define('blocking'), { ms: 300_000 });
    await expect.poll(() => worker.said('start'), patient).toEqual([`start ${id} 1`]);
    const lock = `{${prefix}-default}:default:${id}:lock`;
    // Whoever renews it sets its time anew, and only a thread of the process can.
    await redis().command('PEXPIRE', lock, '600000');
    await expect.poll(async () => Number(await redis().command('PTTL', lock)), patient).toBeLessThan(6000);
    expect(await redis().command('EXISTS', lock)).toBe('1');
  });

  test('an authority that is not trusted is a coded error, at once', async () => {
    const { queue } = bench({ redis: { url: redis().url } });
    await expect(queue.ready()).rejects.toMatchObject({ code: 'E_REDIS_TLS', retryable: false });
    await expect(queue.enqueue(define('task'), { ms: 1 })).rejects.toMatchObject({ code: 'E_REDIS_TLS' });
  });
});
