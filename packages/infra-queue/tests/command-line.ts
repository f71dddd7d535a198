import { randomUUID } from 'node:crypto';
import { afterEach } from 'vitest';
import { z } from 'zod';
import { main } from '../src/cli.ts';
import { configureQueue, defineJob, type Queue, type QueueOptions, queue } from '../src/index.ts';
import { bench, collectingLogger } from './bench.ts';

afterEach(() => queue.close());

/** What a command line comes to, on a default queue of its own. */
export async function cli(
  args: readonly string[],
  options: QueueOptions = { driver: 'memory' },
): Promise<{ code: number; out: string; err: string }> {
  configureQueue({ logger: collectingLogger([]), ...options, replace: true });
  const out: string[] = [];
  const err: string[] = [];
  const code = await main([...args], { out: (text) => out.push(text), err: (text) => err.push(text) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** A queue on Redis, and the options of another process on it. */
export function openOn(url: string): { options: QueueOptions; mine: Queue } {
  const options: QueueOptions = { redis: { url }, prefix: `t${randomUUID()}` };
  return { options, mine: bench(options).queue };
}

/** A job that is dead after its first attempt. */
export const failing = () =>
  defineJob({
    name: 'pay',
    schema: z.object({ card: z.string() }),
    handler: ({ card }) => {
      throw new Error(`no ${card}`);
    },
    options: { retries: 0 },
  });
