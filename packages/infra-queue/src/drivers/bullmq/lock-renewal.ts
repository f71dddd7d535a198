import type { RedisClient } from '@vibeonrails/infra-redis';
import type { HeldLock } from './lock-table.ts';

/** How long a lock holds, in milliseconds: a job whose process died is found once it has run out. */
export const LOCK = 5000;
/** How often locks are renewed: often enough for one or two renewals to fail. */
export const RENEW_EVERY: number = LOCK / 4;

/**
 * Does what BullMQ's own renewal does, and takes a lock again that ran out before anybody noticed. A Redis that is full
 * refuses SET, but not PEXPIRE. KEYS: stalled, active, the locks. ARGV: milliseconds, then id and token of each. The ids
 * that another worker has by now, or that have ended.
 */
const RENEW = `
local lost = {}
for i = 3, #KEYS do
  local id, token = ARGV[2 * i - 4], ARGV[2 * i - 3]
  local holder = redis.call('GET', KEYS[i])
  if holder == token then
    redis.call('PEXPIRE', KEYS[i], ARGV[1])
    redis.call('SREM', KEYS[1], id)
  elseif not holder and redis.call('LPOS', KEYS[2], id) then
    redis.call('SREM', KEYS[1], id)
    redis.call('SET', KEYS[i], token, 'PX', ARGV[1])
  else
    lost[#lost + 1] = id
  end
end
return lost`;

/** Renews locks of one queue, whose keys start with `base`. The ids of the jobs that are no longer the caller's. */
export async function renewLocks(
  client: RedisClient,
  base: string,
  locks: readonly HeldLock[],
): Promise<string[]> {
  if (locks.length === 0) return [];
  const keys = [`${base}stalled`, `${base}active`, ...locks.map(({ id }) => `${base}${id}:lock`)];
  const pairs = locks.flatMap(({ id, token }) => [id, token]);
  return (await client.call('EVAL', RENEW, keys.length, ...keys, LOCK, ...pairs)) as string[];
}
