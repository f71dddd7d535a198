import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { defineCron, defineJob, enqueue, queue } from '../src/index.ts';
import { fakeQueue } from '../src/testing.ts';

afterEach(() => queue.close());

test('the job of the specification runs as printed', async () => {
  const sent: string[] = [];
  const sendEmail = defineJob({
    name: 'send-email',
    schema: z.object({ to: z.string().email(), template: z.string() }),
    handler: async ({ to, template }) => {
      sent.push(`${template} to ${to}`);
    },
    options: { retries: 3, backoff: 'exponential' },
  });
  using fake = fakeQueue();
  await enqueue(sendEmail, { to: 'user@test.com', template: 'welcome' });
  fake.assertEnqueued(sendEmail, { template: 'welcome' });
  expect(await fake.drain()).toMatchObject({ done: 1 });
  expect(sent).toEqual(['welcome to user@test.com']);
});

test('the cron of the specification runs as printed', async () => {
  let ran = 0;
  defineCron({
    name: 'cleanup-sessions',
    schedule: '0 0 * * *', // Daily at midnight
    handler: async () => {
      ran += 1;
    },
  });
  using fake = fakeQueue({ now: new Date('2026-03-01T12:00:00Z') });
  await fake.advance('2d');
  expect(ran).toBe(2);
});
