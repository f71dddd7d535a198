import { type Config, defineConfig, oneOf, type Reader } from '@vibeonrails/infra-core';

/** The drivers a queue can run on. */
export type QueueDriverName = 'memory';

/** The variables of the queue. */
export const config: Config<{ readonly QUEUE_DRIVER: Reader<QueueDriverName | undefined> }> = defineConfig(
  { QUEUE_DRIVER: oneOf(['memory'], { optional: true, description: 'where jobs are kept' }) },
  { package: '@vibeonrails/infra-queue' },
);
