/*
 * Presence of one channel, in three keys of one hash tag:
 *   leases   ZSET  process → when its lease ends, in milliseconds of the server's clock
 *   members  HASH  member → "<connections> <arrival in µs> <info>"
 *   mine     SET   one process's connections, each "<bytes of the member>:<member><client>"
 * ARGV[1] is the process everywhere. All keys expire after ARGV[3] milliseconds without a sign of life.
 */
const TIME = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`;

const HOLD = `
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
`;

/** Takes one connection of `member` away; true when it was the last. */
const TAKE = `
local function take(member)
  local was = redis.call('HGET', KEYS[2], member)
  if not was then return false end
  local count, rest = string.match(was, '^(%d+)(.*)$')
  if tonumber(count) <= 1 then return redis.call('HDEL', KEYS[2], member) == 1 end
  redis.call('HSET', KEYS[2], member, (count - 1) .. rest)
  return false
end
`;

/** A script and what it answers. */
export interface Script<_Answer> {
  readonly text: string;
}

/** ARGV: process, lease, keep, entry, member, info. 1 when it is the member's first connection. */
export const JOIN: Script<number> = {
  text: `${TIME}
local added = redis.call('SADD', KEYS[3], ARGV[4])
local was = redis.call('HGET', KEYS[2], ARGV[5])
local count, since = 0, t[1] .. string.format('%06d', t[2])
if was then count, since = string.match(was, '^(%d+) (%d+)') end
redis.call('HSET', KEYS[2], ARGV[5], (count + added) .. ' ' .. since .. ' ' .. ARGV[6])
${HOLD}
if was then return 0 end
return 1`,
};

/** ARGV: process, –, –, entry, member. 1 when it was the member's last connection. */
export const LEAVE: Script<number> = {
  text: `${TAKE}
if redis.call('SREM', KEYS[3], ARGV[4]) == 0 then return 0 end
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('ZREM', KEYS[1], ARGV[1]) end
if take(ARGV[5]) then return 1 end
return 0`,
};

/** ARGV: process, lease, keep, connections there should be. Holds the lease; 0 when the set is not what it should be. */
export const HEARTBEAT: Script<number> = {
  text: `${TIME}
if redis.call('SCARD', KEYS[3]) ~= tonumber(ARGV[4]) then return 0 end
${HOLD}
return 1`,
};

/** The processes whose lease is over, and the members. */
export const LIST: Script<[expired: string[], members: string[]]> = {
  text: `${TIME}
return { redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now), redis.call('HGETALL', KEYS[2]) }`,
};

/** ARGV: process, –, –, whether also with a lease. Takes all of a process away; the members who are gone by that. */
export const REAP: Script<string[]> = {
  text: `${TIME}${TAKE}
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ARGV[4] ~= '1' and (not lease or tonumber(lease) > now) then return {} end
local gone = {}
for _, entry in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  local bytes, rest = string.match(entry, '^(%d+):(.*)$')
  local member = string.sub(rest, 1, bytes)
  if take(member) then gone[#gone + 1] = member end
end
redis.call('DEL', KEYS[3])
redis.call('ZREM', KEYS[1], ARGV[1])
return gone`,
};
