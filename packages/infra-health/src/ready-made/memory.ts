import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { HealthCheck } from '@vibeonrails/infra-core';
import { judge, percent } from './limits.ts';

/** How much memory this process may take. */
export interface MemoryCheckOptions {
  /** The memory it may take, in bytes. @default the container's limit, else the machine's memory */
  limitBytes?: number;
  /** Used share, between 0 and 1. @default 0.8 */
  degradedAt?: number;
  /** Used share, between 0 and 1. @default 0.95 */
  errorAt?: number;
}

/** Checks this process: its resident memory against its limit, and its JavaScript heap against V8's. The fuller of the two counts. */
export function memory(options: MemoryCheckOptions = {}): HealthCheck {
  const { degradedAt = 0.8, errorAt = 0.95 } = options;
  return () => {
    const limitBytes = options.limitBytes ?? availableMemory();
    const { rss, heapUsed } = process.memoryUsage();
    const heapLimitBytes = getHeapStatistics().heap_size_limit;
    const share = Math.max(rss / limitBytes, heapUsed / heapLimitBytes);
    return {
      status: judge(share, { degradedAt, errorAt }),
      message: `${percent(share)} % used`,
      data: { rssBytes: rss, limitBytes, heapUsedBytes: heapUsed, heapLimitBytes },
    };
  };
}

/** The container's limit is 0 or far above the machine's memory where there is none. */
function availableMemory(): number {
  const machine = totalmem();
  const container = process.constrainedMemory?.() ?? 0;
  return container > 0 && container < machine ? container : machine;
}
