export { type Cache, type CacheOptions, type CachePolicy, createCache } from './cache.ts';
export type { CacheDriverName } from './config.ts';
export { cache, cacheHealthCheck, configureCache } from './default.ts';
export type { CacheDriver, SetOptions } from './driver.ts';
export {
  CacheClosedError,
  CacheCounterError,
  CacheKeyError,
  CacheSizeError,
  CacheTtlError,
  CacheValueError,
} from './errors.ts';
