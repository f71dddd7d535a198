import { type Duration, toMs } from '@vibeonrails/infra-core';
import { CacheTtlError } from './errors.ts';

/** How long an entry lives: a {@link Duration}, or options that hold one. There is no default on purpose. */
export type CachePolicy = Duration | { readonly ttl: Duration };

/** The milliseconds of a policy. @throws {@link CacheTtlError} `E_CACHE_TTL` unless they are positive and finite. */
export function ttlOf(key: string, policy: CachePolicy): number {
  const ttl = typeof policy === 'object' && policy !== null ? policy.ttl : policy;
  let ms = 0;
  try {
    ms = toMs(ttl);
  } catch (cause) {
    throw new CacheTtlError(key, ttl, cause);
  }
  if (ms > 0) return ms;
  throw new CacheTtlError(key, ttl);
}
