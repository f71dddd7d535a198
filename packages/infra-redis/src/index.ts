export type { RedisArgument, RedisClient, RedisConnection, RedisPipeline } from './client.ts';
export type { RedisUser } from './config.ts';
export { type ConnectRedisOptions, connectRedis } from './connect.ts';
export {
  RedisAuthError,
  RedisClientError,
  RedisClosedError,
  RedisConnectError,
  RedisNotReadyError,
  RedisReplyError,
  RedisSetupError,
  RedisTimeoutError,
  RedisTlsError,
  RedisUnavailableError,
  RedisUrlError,
} from './errors.ts';
export { redisHealthCheck } from './health.ts';
export type { RedisTlsOptions } from './ioredis.ts';
export { mastersOf } from './nodes.ts';
