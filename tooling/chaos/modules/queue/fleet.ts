import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startNode } from '@vibeonrails/bench/child';
import type { Queue } from '@vibeonrails/infra-queue';
import { type Services, service } from '@vibeonrails/services';

export type Redis = Services['redis']['running'];

/** Worker processes, and what they have said. */
export class Fleet {
  readonly lines: string[] = [];
  readonly alive = new Set<ChildProcess>();
  readonly env: Record<string, string>;

  constructor(url: string) {
    this.env = { REDIS_URL: url, LOG_LEVEL: 'silent' };
  }

  /** Starts a worker, `programs/worker.ts` unless another program is named, and waits until it serves. */
  async start(program = 'worker.ts', env: Readonly<Record<string, string>> = {}): Promise<ChildProcess> {
    const file = fileURLToPath(new URL(`programs/${program}`, import.meta.url));
    const child = startNode([file], ['ignore', 'ignore', 'inherit', 'pipe'], { ...this.env, ...env });
    this.alive.add(child);
    child.on('exit', () => this.alive.delete(child));
    let ready = (): void => undefined;
    const up = new Promise<void>((resolve) => {
      ready = resolve;
    });
    let rest = '';
    (child.stdio[3] as NodeJS.ReadableStream).on('data', (chunk) => {
      const parts = `${rest}${chunk}`.split('\n');
      rest = parts.pop() ?? '';
      this.lines.push(...parts.filter((line) => line !== 'ready'));
      if (parts.includes('ready')) ready();
    });
    await Promise.race([up, once(child, 'exit')]);
    return child;
  }

  /** How often each job has ended. */
  ends(): Map<string, number> {
    const ends = new Map<string, number>();
    for (const line of this.lines) {
      const [word, id = ''] = line.split(' ');
      if (word === 'end') ends.set(id, (ends.get(id) ?? 0) + 1);
    }
    return ends;
  }

  stop(): void {
    for (const child of this.alive) child.kill('SIGKILL');
  }
}

/** A Redis of the case's own, and worker processes on it; all of them end with the case. */
export async function withRedis<T>(
  work: (redis: Redis, fleet: Fleet) => Promise<T>,
  options: Services['redis']['options'] = {},
): Promise<T> {
  const found = await service('redis', { own: true });
  if (!found.available) throw new Error(found.reason);
  const redis = await found.start({ appendonly: true, ...options });
  const fleet = new Fleet(redis.url);
  try {
    return await work(redis, fleet);
  } finally {
    fleet.stop();
    await redis.stop();
  }
}

/** Whether every job has ended. */
export async function isIdle(queue: Pick<Queue, 'stats'>): Promise<boolean> {
  const { waiting, delayed, active } = await queue.stats();
  return waiting + delayed + active === 0;
}

/** Enqueues an id again and again until it is stored. The milliseconds that the slowest call took. */
export async function persist(enqueue: () => Promise<unknown>): Promise<number> {
  let slowest = 0;
  for (;;) {
    const start = performance.now();
    const stored = await enqueue().then(
      () => true,
      () => false,
    );
    slowest = Math.max(slowest, performance.now() - start);
    if (stored) return slowest;
    await sleep(100);
  }
}

/** A producer in this process, on the jobs' names alone. */
export async function producer({ url, timeout }: { url: string; timeout?: `${number}s` }) {
  const { createQueue, defineJob } = await import('@vibeonrails/infra-queue');
  const { setLogger, createLogger } = await import('@vibeonrails/infra-core/logging');
  setLogger(createLogger({ level: 'silent' }));
  const queue = createQueue({ redis: { url }, ...(timeout === undefined ? {} : { timeout }) });
  const schema = {
    '~standard': { version: 1, vendor: 'chaos', validate: (value: unknown) => ({ value }) },
  } as const;
  const job = (name: string, retries: number, options: { queue?: string } = {}) =>
    defineJob({
      ...{ name, schema, replace: true },
      handler: () => undefined,
      options: { retries, ...options },
    });
  const versioned = (version: number) =>
    defineJob({
      ...{ name: 'versioned', schema, replace: true },
      handler: () => undefined,
      options: version === 1 ? {} : { version, migrate: { 1: (payload: unknown) => payload } },
    });
  return {
    queue,
    job,
    versioned,
    short: job('short', 20),
    blocking: job('blocking', 3),
    deadly: job('deadly', 1),
  };
}

/** Whether something comes true within a time. A look that fails counts as no. */
export async function until(what: () => boolean | Promise<boolean>, ms: number): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(100))
    if (await Promise.resolve(what()).catch(() => false)) return true;
  return false;
}
