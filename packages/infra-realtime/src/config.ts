import { REDIS_URL_FORM, redisVariables } from '@vibeonrails/infra-redis/variables';
import {
  type Config,
  ConfigError,
  chooseDriver,
  defineConfig,
  int,
  list,
  once,
  oneOf,
  type Reader,
  systemClock,
  toMs,
} from './core.ts';
import type { DriverEvents, RealtimeDriver } from './driver.ts';
import type { RedisDriverOptions } from './drivers/redis.ts';
import { loading, RealtimeOptionError } from './errors.ts';
import type { RealtimeOptions } from './realtime.ts';

/** The brokers a hub can run on. */
export type RealtimeDriverName = 'memory' | 'redis';

/** The WebSocket engines a server can run on; `auto` takes the fastest that is installed. */
export type RealtimeEngineName = 'auto' | 'uws' | 'ws';

/** The variables of realtime. */
export const config: Config<{
  readonly REALTIME_DRIVER: Reader<RealtimeDriverName | undefined>;
  readonly REALTIME_REDIS_URL: Reader<string | undefined>;
  readonly REDIS_URL: Reader<string | undefined>;
  readonly REALTIME_ENGINE: Reader<RealtimeEngineName>;
  readonly REALTIME_PORT: Reader<number>;
  readonly REALTIME_ALLOWED_ORIGINS: Reader<readonly string[] | undefined>;
}> = defineConfig(
  {
    REALTIME_DRIVER: oneOf(['memory', 'redis'], {
      optional: true,
      description: 'what carries messages between processes',
    }),
    ...redisVariables('REALTIME_REDIS_URL', 'the Redis of realtime; chooses it'),
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

/** Makes the driver that the options or the environment name. @throws {@link ConfigError} `E_CONFIG` */
export function makeDriver(options: RealtimeOptions): RealtimeDriver {
  if (typeof options.driver === 'object') return options.driver;
  const { redis = {}, env } = options;
  const values = config.read(env);
  const reachable = Boolean(redis.url ?? redis.client ?? values.REALTIME_REDIS_URL ?? values.REDIS_URL);
  const driver = chooseDriver<RealtimeDriverName>({
    module: 'realtime',
    option: options.driver,
    variable: values.REALTIME_DRIVER,
    present: { redis: reachable },
    embedded: 'memory',
    inProduction: 'warn',
    help: 'Each process reaches its own clients alone. Set REALTIME_REDIS_URL or REDIS_URL to join them, or REALTIME_DRIVER=memory to say that this is meant.',
    env,
  });
  if (driver === 'memory')
    return lateDriver('memory', async () => {
      const { memoryDriver } = await import('./drivers/memory.ts');
      return memoryDriver();
    });
  if (!reachable) throw noAddress();
  const settings = readRedis(options);
  return lateDriver('redis', async () => {
    const { redisDriver } = await import('./drivers/redis.ts');
    return redisDriver(settings);
  });
}

/** The redis driver was asked for and nothing says where it is. */
const noAddress = (): ConfigError =>
  new ConfigError([
    {
      variable: 'REALTIME_REDIS_URL',
      package: '@vibeonrails/infra-realtime',
      kind: 'missing',
      expected: `${REDIS_URL_FORM}, here or in REDIS_URL`,
    },
  ]);

function readRedis({ redis = {}, clock = systemClock, env }: RealtimeOptions): RedisDriverOptions {
  const { namespace = 'realtime', timeout = '5s', connectTimeout = '5s' } = redis;
  const lease = toMs(redis.lease ?? '60s');
  if (!/^[A-Za-z0-9][A-Za-z0-9.:_-]{0,99}$/.test(namespace))
    throw new RealtimeOptionError(
      'redis.namespace',
      `is ${JSON.stringify(namespace)}`,
      'Use 1 to 100 characters of A-Z a-z 0-9 . : _ -, starting with a letter or a digit.',
    );
  if (lease < 300)
    throw new RealtimeOptionError(
      'redis.lease',
      `is ${lease} ms`,
      'Give 300 ms or more; it has a reserve then.',
    );
  return {
    ...redis,
    namespace,
    timeout: toMs(timeout),
    connectTimeout: toMs(connectTimeout),
    lease,
    clock,
    env,
  };
}

/** A driver that is loaded at the first call. Those who came meanwhile keep their order. */
function lateDriver(name: string, load: () => Promise<RealtimeDriver>): RealtimeDriver {
  let events: DriverEvents | undefined;
  let closed = false;
  const open = once(async () => {
    const driver = await loading(`the ${name} driver`, load());
    if (events) driver.start(events);
    if (closed) await driver.close();
    return driver;
  });
  return {
    name,
    start(given) {
      events = given;
    },
    ready: () => open.use((driver) => driver.ready()),
    subscribe: (...args) => open.use((driver) => driver.subscribe(...args)),
    unsubscribe: (...args) => open.use((driver) => driver.unsubscribe(...args)),
    publish: (...args) => open.use((driver) => driver.publish(...args)),
    join: (...args) => open.use((driver) => driver.join(...args)),
    leave: (...args) => open.use((driver) => driver.leave(...args)),
    members: (...args) => open.use((driver) => driver.members(...args)),
    async close() {
      closed = true;
      const opened = await open.done()?.catch(() => undefined);
      await opened?.close();
    },
  };
}
