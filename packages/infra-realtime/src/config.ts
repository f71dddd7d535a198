import { type Config, defineConfig, int, list, oneOf, type Reader } from '@vibeonrails/infra-core';

/** The brokers a hub can run on. */
export type RealtimeDriverName = 'memory' | 'redis';

/** The WebSocket engines a server can run on; `auto` takes the fastest that is installed. */
export type RealtimeEngineName = 'auto' | 'uws' | 'ws';

/** What a Redis address begins with. The rest is read by infra-redis, which is loaded with the driver. */
const SCHEME = /^rediss?(\+sentinel|\+cluster)?:\/\//i;
/** What a Redis address looks like, for messages. */
export const REDIS_URL_FORM =
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
    description: 'the Redis of realtime; chooses it',
  },
};

/** The variables of realtime. */
export const config: Config<{
  readonly REALTIME_DRIVER: Reader<RealtimeDriverName | undefined>;
  readonly REALTIME_REDIS_URL: Reader<string | undefined>;
  readonly REALTIME_ENGINE: Reader<RealtimeEngineName>;
  readonly REALTIME_PORT: Reader<number>;
  readonly REALTIME_ALLOWED_ORIGINS: Reader<readonly string[] | undefined>;
}> = defineConfig(
  {
    REALTIME_DRIVER: oneOf(['memory', 'redis'], {
      optional: true,
      description: 'what carries messages between processes',
    }),
    REALTIME_REDIS_URL: redisUrl,
    REALTIME_ENGINE: oneOf(['auto', 'uws', 'ws'], { default: 'auto', description: 'the WebSocket engine' }),
    REALTIME_PORT: int({
      default: 0,
      min: 0,
      max: 65535,
      description: 'the port a server listens on; 0 takes any free one',
    }),
    REALTIME_ALLOWED_ORIGINS: list({
      optional: true,
      description: 'origins that may connect beside the same host; `self` for none, `*` for any',
    }),
  },
  { package: '@vibeonrails/infra-realtime' },
);
