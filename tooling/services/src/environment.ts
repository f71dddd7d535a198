import type { Chromium } from './chromium.ts';
import type { RunningPrometheus } from './prometheus.ts';
import type { RunningRedis } from './redis.ts';
import type { RunningRedisCluster } from './redis-cluster.ts';
import type { RunningRedisSentinel } from './redis-sentinel.ts';
import type { RunningS3 } from './s3.ts';

/**
 * The variables that name a running service, for another process: with them set, {@link service} finds it there. The
 * package's own variables (`REDIS_URL`, `S3_…`) come along, so that an application can be pointed at it as well.
 */
export function environmentOf(
  running:
    | RunningRedis
    | RunningRedisCluster
    | RunningRedisSentinel
    | RunningS3
    | Chromium
    | RunningPrometheus,
): Record<string, string> {
  if ('executablePath' in running) return { CHROMIUM_PATH: running.executablePath };
  if ('endpoint' in running) return s3(running);
  if ('query' in running) return { PROMETHEUS_URL: running.url };
  const certificate = 'tls' in running ? running.tls : undefined;
  return {
    ...('nodes' in running ? {} : { TEST_REDIS_URL: running.url }),
    REDIS_URL: running.url,
    ...(certificate && { NODE_EXTRA_CA_CERTS: certificate.ca }),
  };
}

function s3({ endpoint, region, accessKeyId, secretAccessKey }: RunningS3): Record<string, string> {
  const values = {
    ENDPOINT: endpoint,
    REGION: region,
    ACCESS_KEY_ID: accessKeyId,
    SECRET_ACCESS_KEY: secretAccessKey,
  };
  const named = (prefix: string): Record<string, string> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));
  return { ...named('TEST_S3_'), ...named('S3_'), S3_PATH_STYLE: 'true' };
}
