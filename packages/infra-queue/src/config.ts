import { type Config, defineConfig, oneOf, type Reader, text } from '@vibeonrails/infra-core';
import { isPrefix, PREFIX_FORM } from './definitions.ts';

/** The drivers a queue can run on. */
export type QueueDriverName = 'memory' | 'bullmq';

/** What a Redis address begins with. The rest is read by infra-redis, which is loaded with the driver. */
const SCHEME = /^rediss?(\+sentinel|\+cluster)?:\/\//i;
const REDIS_URL_FORM =
  'a URL that starts with redis://, redis+sentinel://, redis+cluster://, or rediss for TLS';

/** Its value is a secret: it may hold a password. */
const redisUrl: Reader<string | undefined> = {
  '~standard': {
    version: 1,
    vendor: '@vibeonrails/infra',
    validate: (value) =>
      value === undefined || SCHEME.test(String(value))
        ? { value: value as string | undefined }
        : { issues: [{ message: `expected ${REDIS_URL_FORM}` }] },
  },
  form: REDIS_URL_FORM,
  options: {
    optional: true,
    secret: true,
    fallback: 'REDIS_URL',
    description: 'the Redis of the queue; chooses BullMQ',
  },
};

/** The variables of the queue. */
export const config: Config<{
  readonly QUEUE_DRIVER: Reader<QueueDriverName | undefined>;
  readonly QUEUE_REDIS_URL: Reader<string | undefined>;
  readonly QUEUE_PREFIX: Reader<string>;
}> = defineConfig(
  {
    QUEUE_DRIVER: oneOf(['memory', 'bullmq'], { optional: true, description: 'where jobs are kept' }),
    QUEUE_REDIS_URL: redisUrl,
    QUEUE_PREFIX: text({ default: 'infra', description: 'what the keys in Redis start with' }),
  },
  {
    package: '@vibeonrails/infra-queue',
    check({ QUEUE_DRIVER, QUEUE_REDIS_URL, QUEUE_PREFIX }, report) {
      if (QUEUE_DRIVER === 'bullmq' && QUEUE_REDIS_URL === undefined)
        report(
          'QUEUE_REDIS_URL',
          `${REDIS_URL_FORM}, here or in REDIS_URL, because QUEUE_DRIVER is bullmq`,
          'missing',
        );
      if (!isPrefix(QUEUE_PREFIX)) report('QUEUE_PREFIX', PREFIX_FORM);
    },
  },
);
