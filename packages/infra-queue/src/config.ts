import { REDIS_URL_FORM, redisVariables } from '@vibeonrails/infra-redis/variables';
import { type Config, defineConfig, oneOf, type Reader, text } from './core.ts';
import { isPrefix, PREFIX_FORM } from './definitions.ts';

/** The drivers a queue can run on. */
export type QueueDriverName = 'memory' | 'bullmq';

/** The variables of the queue. */
export const config: Config<{
  readonly QUEUE_DRIVER: Reader<QueueDriverName | undefined>;
  readonly QUEUE_REDIS_URL: Reader<string | undefined>;
  readonly REDIS_URL: Reader<string | undefined>;
  readonly QUEUE_PREFIX: Reader<string>;
}> = defineConfig(
  {
    QUEUE_DRIVER: oneOf(['memory', 'bullmq'], { optional: true, description: 'where jobs are kept' }),
    ...redisVariables('QUEUE_REDIS_URL', 'the Redis of the queue; chooses BullMQ'),
    QUEUE_PREFIX: text({ default: 'infra', description: 'what the keys in Redis start with' }),
  },
  {
    package: '@vibeonrails/infra-queue',
    check({ QUEUE_DRIVER, QUEUE_REDIS_URL, REDIS_URL, QUEUE_PREFIX }, report) {
      if (QUEUE_DRIVER === 'bullmq' && (QUEUE_REDIS_URL ?? REDIS_URL) === undefined)
        report(
          'QUEUE_REDIS_URL',
          `${REDIS_URL_FORM}, here or in REDIS_URL, because QUEUE_DRIVER is bullmq`,
          'missing',
        );
      if (!isPrefix(QUEUE_PREFIX)) report('QUEUE_PREFIX', PREFIX_FORM);
    },
  },
);
