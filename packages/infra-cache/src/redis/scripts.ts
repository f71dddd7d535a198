import { createHash } from 'node:crypto';
import { messageOf } from '@vibeonrails/infra-core';
import type { RedisArgument, RedisClient } from '@vibeonrails/infra-redis';

/** Work that Redis does as one step. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

/*
 * Every write and its announcement are one step: a process that ends in between would leave others with an entry
 * in memory that nobody takes away. ARGV[1] and ARGV[2] are the channel and the message. The announcement comes
 * before the write, so that a user who may not publish is refused before anything has changed; it is delivered after.
 */
const ANNOUNCE = "redis.call('PUBLISH', ARGV[1], ARGV[2])";

/** ARGV: value, milliseconds, '1' to write only where nothing is. */
export const SET: Script = script(`
if ARGV[5] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
${ANNOUNCE}
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1`);

/** KEYS: those to remove. */
export const DELETE: Script = script(`
${ANNOUNCE}
return redis.call('UNLINK', unpack(KEYS))`);

/** In place of GETDEL, which Redis has from 6.2 on. */
export const TAKE: Script = script(`
${ANNOUNCE}
local value = redis.call('GET', KEYS[1])
if value then redis.call('UNLINK', KEYS[1]) end
return value`);

/** ARGV: milliseconds. */
export const TOUCH: Script = script(`
${ANNOUNCE}
return redis.call('PEXPIRE', KEYS[1], ARGV[3])`);

/**
 * ARGV: what to add, milliseconds. Nothing is returned, and nothing done, where there is no whole number or the sum
 * is none that JavaScript can hold.
 */
export const INCREMENT: Script = script(`
local former = redis.call('GET', KEYS[1])
if former and not string.match(former, '^%-?%d+$') then return false end
local sum = tonumber(former or 0) + tonumber(ARGV[3])
if sum ~= math.floor(sum) or math.abs(sum) > 9007199254740991 then return false end
${ANNOUNCE}
local text = string.format('%.0f', sum)
if former then
  redis.call('SET', KEYS[1], text, 'KEEPTTL')
else
  redis.call('SET', KEYS[1], text, 'PX', ARGV[4])
end
return text`);

/** Runs a script by its digest; a server that does not know it, as after a restart, gets the source. */
export async function evaluate(
  client: RedisClient,
  { sha, source }: Script,
  keys: readonly string[],
  args: readonly RedisArgument[],
): Promise<unknown> {
  try {
    return await client.call('evalsha', sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!messageOf(error).startsWith('NOSCRIPT')) throw error;
    return client.call('eval', source, keys.length, ...keys, ...args);
  }
}

function script(text: string): Script {
  const source = text.trim();
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}
