/**
 * Stores a schedule; one that fires at the same times keeps its next tick. KEYS: schedules, their next ticks, those that
 * were removed. ARGV: name, schedule, next tick, pattern, time zone, the time. One whose times change while a tick of the former
 * ones is due is not stored: what is returned is the former schedule, and that tick.
 */
export const SCHEDULE: string = `
redis.call('SREM', KEYS[3], ARGV[1])
local former = redis.call('HGET', KEYS[1], ARGV[1])
local due = redis.call('HGET', KEYS[2], ARGV[1])
if former == ARGV[2] and due then return 0 end
local timing = former and cjson.decode(former)
if timing and due and timing.pattern == ARGV[4] and timing.timezone == ARGV[5] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  return 1
end
if timing and due and tonumber(due) <= tonumber(ARGV[6]) then return {former, due} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 1`;

/** Takes out a job that waits or is delayed, with its unique key. */
const FORGET = `
local function forget(id, prefix, wait, prioritized, delayed)
  if redis.call('ZREM', prioritized, id) + redis.call('ZREM', delayed, id) + redis.call('LREM', wait, 1, id) == 0 then return end
  local job = prefix .. id
  local unique = redis.call('HGET', job, 'deid')
  local key = unique and prefix .. 'de:' .. unique
  if key and redis.call('GET', key) == id then redis.call('DEL', key) end
  redis.call('DEL', job, job .. ':logs')
end`;

/**
 * Forgets a schedule, and those of its jobs that wait or are delayed, with their unique keys. KEYS: schedules, their next
 * ticks, those that were removed, wait, prioritized, delayed. ARGV: name, the key of a job without its id. 1 when there was one.
 */
export const UNSCHEDULE: string = `${FORGET}
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
local lists = {
  redis.call('LRANGE', KEYS[4], 0, -1), redis.call('ZRANGE', KEYS[5], 0, -1), redis.call('ZRANGE', KEYS[6], 0, -1)
}
for _, ids in ipairs(lists) do
  for _, id in ipairs(ids) do
    if string.sub(id, 1, 5) == 'tick.' and redis.call('HGET', ARGV[2] .. id, 'name') == ARGV[1] then
      forget(id, ARGV[2], KEYS[4], KEYS[5], KEYS[6])
    end
  end
end
return 1`;

/** KEYS: schedules, those that were removed. ARGV: names. Those that are gone though nobody removed them. */
export const MISSING: string = `
local gone = {}
for _, name in ipairs(ARGV) do
  if redis.call('HEXISTS', KEYS[1], name) == 0 and redis.call('SISMEMBER', KEYS[2], name) == 0 then gone[#gone + 1] = name end
end
return gone`;

/**
 * Goes on to the next tick of a schedule. One that was removed meanwhile has no jobs made. KEYS: next ticks, wait,
 * prioritized, delayed. ARGV: name, the tick that was due, the next, the key of a job without its id, the ids of the jobs
 * that were just stored.
 */
export const ADVANCE: string = `${FORGET}
local due = redis.call('HGET', KEYS[1], ARGV[1])
if due == ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
if due then return 0 end
for i = 5, #ARGV do forget(ARGV[i], ARGV[4], KEYS[2], KEYS[3], KEYS[4]) end
return 0`;
