import { type Config, defineConfig, int, list, oneOf, type Reader } from '@vibeonrails/infra-core';

/** The brokers a hub can run on. */
export type RealtimeDriverName = 'memory';

/** The WebSocket engines a server can run on; `auto` takes the fastest that is installed. */
export type RealtimeEngineName = 'auto' | 'ws';

/** The variables of realtime. */
export const config: Config<{
  readonly REALTIME_DRIVER: Reader<RealtimeDriverName | undefined>;
  readonly REALTIME_ENGINE: Reader<RealtimeEngineName>;
  readonly REALTIME_PORT: Reader<number>;
  readonly REALTIME_ALLOWED_ORIGINS: Reader<readonly string[] | undefined>;
}> = defineConfig(
  {
    REALTIME_DRIVER: oneOf(['memory'], {
      optional: true,
      description: 'what carries messages between processes',
    }),
    REALTIME_ENGINE: oneOf(['auto', 'ws'], { default: 'auto', description: 'the WebSocket engine' }),
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
