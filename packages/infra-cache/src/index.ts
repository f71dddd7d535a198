export { type Cache, createCache } from './client.ts';
export type { CacheDriverName, CacheOptions, CachePolicy } from './config.ts';
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
export { cache, cacheHealthCheck, configureCache } from './module.ts';
