import { ConfigError, chooseDriver, systemClock } from '@vibeonrails/infra-core';
import { config, REDIS_URL_FORM, type RealtimeDriverName } from './config.ts';
import type { RealtimeDriver } from './driver.ts';
import { memoryDriver } from './drivers/memory.ts';
import { redisDriver } from './drivers/redis.ts';
import type { RealtimeOptions } from './realtime.ts';

/** Makes the driver that the options or the environment name. @throws {@link ConfigError} `E_CONFIG` */
export function makeDriver(options: RealtimeOptions): RealtimeDriver {
  if (typeof options.driver === 'object') return options.driver;
  const { redis = {}, env, clock = systemClock } = options;
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
  return redisDriver({ ...redis, clock, env });
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
