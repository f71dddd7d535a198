import { randomUUID } from 'node:crypto';
import type { Schema } from '@vibeonrails/infra-core';
import { peer } from '../../src/peers.ts';

/** The payload of every job, some 200 bytes as JSON, as an application would write it. */
export const PAYLOAD = {
  to: 'ada.lovelace@example.com',
  template: 'order-confirmation',
  locale: 'en-GB',
  order: { id: 'ord_01J9ZC3W5Y', total: 129.9, currency: 'EUR', items: 3 },
  tags: ['checkout', 'first-order', 'newsletter-no'],
};
export type Payload = typeof PAYLOAD;

/** What ours and the peers use of zod's schema. */
type PayloadSchema = Schema<Payload, Payload> & { parse(value: unknown): Payload };

/** The schema that every candidate parses with. */
export async function payloadSchema(): Promise<PayloadSchema> {
  const { z } = await peer<{ z: Record<string, (...args: unknown[]) => unknown> }>('zod');
  const { object, string, number, array, email } = z as unknown as Record<string, (arg?: unknown) => unknown>;
  return object?.({
    to: email?.(),
    template: string?.(),
    locale: string?.(),
    order: object({ id: string?.(), total: number?.(), currency: string?.(), items: number?.() }),
    tags: array?.(string?.()),
  }) as PayloadSchema;
}

/** The Redis of the run, emptied. */
export async function emptyRedis(): Promise<Redis> {
  const redis = await connect();
  await redis.flushall();
  return redis;
}

/** The part of ioredis that is used here. */
export interface Redis {
  flushall(): Promise<unknown>;
  info(section: string): Promise<string>;
  disconnect(): void;
}

/** A connection of the peers' ioredis, as BullMQ's documentation has it. */
export async function connect(): Promise<Redis> {
  const { Redis } = await peer<{ Redis: new (url: string, options: object) => Redis }>('ioredis');
  return new Redis(process.env.REDIS_URL ?? '', { maxRetriesPerRequest: null });
}

/** The part of BullMQ that is used here. */
interface Bullmq {
  Queue: new (name: string, options: object) => BullQueue;
  Worker: new (
    name: string,
    run: (job: { data: unknown }) => Promise<unknown>,
    options: object,
  ) => BullWorker;
}
export interface BullQueue {
  add(name: string, data: unknown, options: object): Promise<unknown>;
  addBulk(jobs: { name: string; data: unknown; opts: object }[]): Promise<unknown>;
  close(): Promise<void>;
}
export interface BullWorker {
  close(): Promise<void>;
}

/** The same attempts and retention as ours, and an id as ours makes one. */
export const bullOptions = (): object => ({
  jobId: randomUUID(),
  attempts: 4,
  backoff: { type: 'exponential', delay: 1000 },
  removeOnComplete: { count: 1000, age: 86_400 },
  removeOnFail: { count: 10_000, age: 1_209_600 },
});

const PREFIX = '{bench-default}';

export async function bullQueue(): Promise<BullQueue> {
  const { Queue } = await peer<Bullmq>('bullmq');
  return new Queue('default', { connection: await connect(), prefix: PREFIX });
}

export async function bullWorker(
  concurrency: number,
  run: (data: unknown) => void,
  options: object = {},
): Promise<BullWorker> {
  const { Worker } = await peer<Bullmq>('bullmq');
  const connection = await connect();
  return new Worker('default', async ({ data }) => run(data), {
    ...{ connection, prefix: PREFIX, concurrency, ...options },
    removeOnComplete: { count: 1000, age: 86_400 },
  });
}

/** Our queue with one job; `run` is its handler. */
export async function ourQueue(driver: 'memory' | 'bullmq', run: (payload: Payload) => void) {
  const { createQueue, defineJob } = await import('@vibeonrails/infra-queue');
  const redis = driver === 'bullmq' ? { redis: { url: process.env.REDIS_URL ?? '' } } : {};
  const queue = createQueue({ driver, ...redis, prefix: 'bench' });
  await queue.ready();
  const job = defineJob({
    name: 'send-email',
    schema: await payloadSchema(),
    handler: (payload: Payload) => run(payload),
  });
  return { queue, job };
}

/** Counts jobs, and resolves when all have run. */
export function counter(jobs: number): { count: () => void; all: Promise<void> } {
  let left = jobs;
  let done = (): void => undefined;
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  const count = (): void => {
    left -= 1;
    if (left === 0) done();
  };
  return { count, all };
}

/** Does `times` jobs, so many at once, and waits for each. */
export async function inBatches(
  times: number,
  size: number,
  work: (batch: number) => Promise<unknown>,
): Promise<void> {
  for (let left = times; left > 0; left -= size) await work(Math.min(size, left));
}

/** Jobs a second of the clock. */
export async function perSecond(jobs: number, work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (jobs / (performance.now() - start)) * 1000;
}

/** Jobs a second of this process's processor time, Redis's own left out. */
export async function perOwnCpuSecond(jobs: number, work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (jobs / (user + system)) * 1_000_000;
}
