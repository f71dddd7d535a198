import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { RunningRedis } from '../src/index.ts';
import { describeWith } from '../src/vitest.ts';

// Before the suites are collected, and in this file's process alone: nothing listens there.
process.env.TEST_REDIS_URL = 'redis://127.0.0.1:1';
const seen: RunningRedis[] = [];

describeWith('redis', 'a suite that sets options', { appendonly: true }, (redis) => {
  test('has a server of its own, set up so', async () => {
    expect(await redis().command('INFO', 'persistence')).toContain('aof_enabled:1');
    seen.push(redis());
  });

  test('shares it among its tests', () => {
    expect(redis()).toBe(seen[0]);
  });
});

describeWith('redis', 'a suite that asks for its own', { own: true }, (redis) => {
  test('has another one', async () => {
    expect(await redis().command('INFO', 'persistence')).toContain('aof_enabled:0');
    expect(redis().url).not.toBe(seen[0]?.url);
  });

  test('begins when the server of the suite before is gone', () => {
    expect(seen[0]?.pid).toBeUndefined();
    expect(existsSync(seen[0]?.dir ?? '')).toBe(false);
  });
});
