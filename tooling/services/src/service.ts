import { type Chromium, chromiumFrom } from './chromium.ts';
import { type Machine, thisMachine } from './machine.ts';
import { needs, type ServiceKind } from './needs.ts';
import { type RunningPrometheus, startPrometheus } from './prometheus.ts';
import { type RedisOptions, type RunningRedis, startRedis } from './redis.ts';
import { type RedisClusterOptions, type RunningRedisCluster, startRedisCluster } from './redis-cluster.ts';
import {
  type RedisSentinelOptions,
  type RunningRedisSentinel,
  startRedisSentinel,
} from './redis-sentinel.ts';
import { type Found, type ResolveOptions, resolve } from './resolve.ts';
import { type RunningS3, startS3 } from './s3.ts';
import { recordSkip } from './skips.ts';

type NoOptions = Readonly<Record<never, never>>;

/** What each kind takes and gives. */
export interface Services {
  readonly redis: { readonly options: RedisOptions; readonly running: RunningRedis };
  readonly 'redis-cluster': { readonly options: RedisClusterOptions; readonly running: RunningRedisCluster };
  readonly 'redis-sentinel': {
    readonly options: RedisSentinelOptions;
    readonly running: RunningRedisSentinel;
  };
  readonly s3: { readonly options: NoOptions; readonly running: RunningS3 };
  readonly chromium: { readonly options: NoOptions; readonly running: Chromium };
  readonly prometheus: { readonly options: NoOptions; readonly running: RunningPrometheus };
}

/** A service of this machine, or why it has none. */
export type Service<Kind extends ServiceKind> =
  | {
      readonly available: true;
      /** Where it comes from. */
      readonly from: Found['from'];
      start(options?: Services[Kind]['options']): Promise<Services[Kind]['running']>;
    }
  | { readonly available: false; readonly reason: string };

type Starters = {
  readonly [Kind in ServiceKind]: (
    found: Found,
    options?: Services[Kind]['options'],
  ) => Promise<Services[Kind]['running']>;
};

const starters: Starters = {
  redis: startRedis,
  'redis-cluster': startRedisCluster,
  'redis-sentinel': startRedisSentinel,
  s3: startS3,
  chromium: async (found) => chromiumFrom(found),
  prometheus: startPrometheus,
};

/**
 * Finds a service, installing it where that is allowed. A missing one is remembered, and named once more at the end
 * of a vitest run.
 *
 * @throws MissingServiceError with `CI` set when there is none, and when its variables are set only in part.
 */
export async function service<Kind extends ServiceKind>(
  kind: Kind,
  options: ResolveOptions = {},
  machine: Machine = thisMachine,
): Promise<Service<Kind>> {
  const found = await resolve(needs[kind], machine, options);
  if (found.from === 'nowhere') {
    recordSkip(kind, found.reason);
    return { available: false, reason: found.reason };
  }
  return {
    available: true,
    from: found.from,
    start: async (startOptions) => await starters[kind](found, startOptions),
  };
}
