// A worker process: says `start` and `end` with a job's id and attempt on descriptor 3.
import { writeSync } from 'node:fs';
import type { Schema } from '@vibeonrails/infra-core';
import { defineJob, startWorker } from '@vibeonrails/infra-queue';

const say = (...words: unknown[]): void => void writeSync(3, `${words.join(' ')}\n`);
const schema: Schema<unknown, { ms: number }> = {
  '~standard': { version: 1, vendor: 'chaos', validate: (value) => ({ value: value as { ms: number } }) },
};

for (const queue of ['default', ...(process.env.QUEUES?.split(',') ?? [])])
  defineJob({
    name: queue === 'default' ? 'short' : `short-${queue}`,
    schema,
    handler: async ({ ms }, { id, attempt, signal }) => {
      say('start', id, attempt);
      await new Promise((resolve) => {
        setTimeout(resolve, ms);
        signal.addEventListener('abort', resolve);
      });
      say(signal.aborted ? 'aborted' : 'end', id, attempt);
      signal.throwIfAborted();
    },
    options: { retries: 20, queue },
  });
defineJob({
  name: 'blocking',
  schema,
  handler: ({ ms }, { id, attempt }) => {
    say('start', id, attempt);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    say('end', id, attempt);
  },
});
defineJob({
  name: 'deadly',
  schema,
  handler: (_, { id, attempt }) => {
    say('start', id, attempt);
    process.kill(process.pid, 'SIGKILL');
  },
  options: { retries: 1 },
});
const strict: Schema<unknown, { ms: number }> = {
  '~standard': {
    version: 1,
    vendor: 'chaos',
    validate: (value) => {
      const { ms } = (value ?? {}) as { ms?: unknown };
      return typeof ms === 'number'
        ? { value: { ms } }
        : { issues: [{ message: 'no number', path: ['ms'] }] };
    },
  },
};
defineJob({
  name: 'strict',
  schema: strict,
  handler: (_, { id, attempt }) => say('end', id, attempt),
});
const version = Number(process.env.VERSION ?? 1);
defineJob({
  name: 'versioned',
  schema,
  handler: (_, { id, attempt }) => say('end', id, version, attempt),
  options: version === 1 ? {} : { version, migrate: { 1: (payload) => payload } },
});
await startWorker({ signals: true, concurrency: 10, grace: '10s' });
say('ready');
