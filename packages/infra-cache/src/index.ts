export { type Cache, createCache } from './cache.ts';
export type { CacheDriverName } from './config.ts';
export { cache, cacheHealthCheck, configureCache } from './default.ts';
export type { CacheDriver, SetOptions } from './driver.ts';
export type { CacheMemoryOptions, CacheRedisOptions } from './drivers/redis.ts';
export {
  CacheClosedError,
  CacheCounterError,
  CacheKeyError,
  CacheSizeError,
  CacheTimeoutError,
  CacheTtlError,
  CacheUnavailableError,
  CacheValueError,
} from './errors.ts';
export type { CacheOptions } from './options.ts';
export type { CachePolicy } from './policy.ts';
