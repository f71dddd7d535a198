import { expect, test } from 'vitest';
import { warningOf } from '../src/drivers/bullmq/eviction.ts';

const info = (policy: string, limit: number): string =>
  `# Memory\r\nused_memory:1\r\nmaxmemory:${limit}\r\nmaxmemory_human:0B\r\nmaxmemory_policy:${policy}\r\n`;

test('a server that evicts makes a queue unready, one that only might or does not say degrades it', () => {
  expect(warningOf(info('noeviction', 0))).toBeUndefined();
  expect(warningOf(info('noeviction', 1024))).toBeUndefined();
  for (const policy of ['allkeys-lru', 'volatile-lru', 'volatile-ttl', 'allkeys-random'])
    expect(warningOf(info(policy, 1024))).toEqual({
      status: 'error',
      message: expect.stringMatching(new RegExp(`${policy}.*noeviction`)),
    });
  expect(warningOf(info('allkeys-lru', 0))?.status).toBe('degraded');
  expect(warningOf('')).toEqual({ status: 'degraded', message: expect.stringContaining('does not say') });
  expect(warningOf('# Memory\r\nused_memory:1\r\n')?.status).toBe('degraded');
});
