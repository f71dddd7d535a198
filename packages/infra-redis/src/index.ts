export type {
  RedisArgument,
  RedisBytes,
  RedisClient,
  RedisConnection,
  RedisPipeline,
  RedisTlsOptions,
} from './client.ts';
export { type ConnectRedisOptions, connectRedis, type RedisUser } from './connect.ts';
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
export { redisHealthCheck } from './module.ts';
export { mastersOf } from './nodes.ts';
