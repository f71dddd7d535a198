import type { Reader } from '@vibeonrails/infra-core';
import { FORM, parseRedisUrl } from './url.ts';

/** What a Redis address looks like, for messages. */
export const REDIS_URL_FORM: string = FORM;

/**
 * The variables that lead a module to its Redis: its own, and the one it shares with the others, which counts where its
 * own is not set. Each that is set is checked, and a wrong one is named as it was set.
 *
 * ```ts
 * const config = defineConfig(redisVariables('CACHE_REDIS_URL', 'the Redis of the cache'));
 * const { CACHE_REDIS_URL, REDIS_URL } = config.read();
 * const url = CACHE_REDIS_URL ?? REDIS_URL;
 * ```
 */
export function redisVariables<const Own extends string>(
  own: Own,
  description: string,
): { readonly [Name in Own | 'REDIS_URL']: Reader<string | undefined> } {
  const variables: Record<string, Reader<string | undefined>> = {
    [own]: redisUrl(description),
    REDIS_URL: SHARED,
  };
  return variables as { [Name in Own | 'REDIS_URL']: Reader<string | undefined> };
}

/** Reads an address that `parseRedisUrl` understands. Its value is a secret: it may hold a password. */
const redisUrl = (description: string): Reader<string | undefined> => ({
  '~standard': {
    version: 1,
    vendor: '@vibeonrails/infra',
    validate(text) {
      if (text === undefined) return { value: undefined };
      try {
        parseRedisUrl(String(text));
        return { value: String(text) };
      } catch {
        return { issues: [{ message: `expected ${FORM}` }] };
      }
    },
  },
  form: FORM,
  options: { optional: true, secret: true, description },
});

const SHARED = redisUrl('the Redis of every module that has none of its own');
