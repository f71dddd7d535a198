import { ConfigError, chooseDriver, systemClock, toMs } from '@vibeonrails/infra-core';
import { config, REDIS_URL_FORM, type RealtimeDriverName } from './config.ts';
import type { DriverEvents, RealtimeDriver } from './driver.ts';
import { memoryDriver } from './drivers/memory.ts';
import type { RedisDriverOptions } from './drivers/redis.ts';
import { loading, RealtimeOptionError } from './errors.ts';
import type { RealtimeOptions } from './realtime.ts';

/** Makes the driver that the options or the environment name. @throws {@link ConfigError} `E_CONFIG` */
export function makeDriver(options: RealtimeOptions): RealtimeDriver {
  if (typeof options.driver === 'object') return options.driver;
  const { redis = {}, env } = options;
  const values = config.read(env);
  const reachable = Boolean(redis.url ?? redis.client ?? values.REALTIME_REDIS_URL);
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
  if (driver === 'memory') return memoryDriver();
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

/** A driver that is loaded at the first call. All calls wait for the same promise, and so keep their order. */
function lateDriver(name: string, load: () => Promise<RealtimeDriver>): RealtimeDriver {
  let events: DriverEvents | undefined;
  let opening: Promise<RealtimeDriver> | undefined;
  let closed = false;
  const make = async (): Promise<RealtimeDriver> => {
    const driver = await loading(`the ${name} driver`, load());
    if (events) driver.start(events);
    if (closed) await driver.close();
    return driver;
  };
  const open = (): Promise<RealtimeDriver> => {
    opening ??= make();
    return opening;
  };
  return {
    name,
    start(given) {
      events = given;
    },
    ready: async () => (await open()).ready(),
    subscribe: async (...args) => (await open()).subscribe(...args),
    unsubscribe: async (...args) => (await open()).unsubscribe(...args),
    publish: async (...args) => (await open()).publish(...args),
    join: async (...args) => (await open()).join(...args),
    leave: async (...args) => (await open()).leave(...args),
    members: async (...args) => (await open()).members(...args),
    async close() {
      closed = true;
      await (await opening?.catch(() => undefined))?.close();
    },
  };
}
