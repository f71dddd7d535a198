import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeWith } from '@vibeonrails/services/vitest';
import { describe, it } from 'vitest';
import { bullmqDriver } from '../src/drivers/bullmq.ts';
import { queueDriverSuite } from '../src/testing.ts';

const week = { count: 1000, age: 7 * 86_400_000 };
const keep = { completed: week, dead: week };
const patient = { describe, it: (name: string, fn: () => Promise<void>) => it(name, fn, 30_000) };

const make = (url: string) => ({
  driver: bullmqDriver({ redis: { url }, prefix: `t${randomUUID()}`, timeout: 5000, keep }),
  pass: async (ms: number) => {
    await sleep(ms);
  },
});

describeWith('redis', 'on one server', (redis) => {
  queueDriverSuite(patient, 'bullmq', () => make(redis().url));
});
