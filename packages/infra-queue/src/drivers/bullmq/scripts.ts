import { PARKED_FIELD } from './gates.ts';

/**
 * Makes room for a job that may replace the holder of its unique key. BullMQ replaces a delayed job only, so one that
 * waits becomes delayed first. While the holder is active, BullMQ keeps a job with `keep-last`, and tells nobody: a hash
 * of ours says under which key it is. KEYS: the new job, the unique key, wait, prioritized, delayed, active, the kept job
 * of the key, our hash. ARGV: `keep-last` or `replace`, id, unique key, the key of a kept job without its unique key, the
 * time. 0 for nothing, 1 when the holder gives way, 2 when the new job will be kept, 3 in the place of another, 4 when it
 * is kept already.
 */
export const MAKE_ROOM: string = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local holder = redis.call('GET', KEYS[2])
if not holder then return 0 end
local former = redis.call('HGET', KEYS[7], 'jid')
local gives = redis.call('ZSCORE', KEYS[5], holder)
if not gives and (redis.call('LREM', KEYS[3], 1, holder) > 0 or redis.call('ZREM', KEYS[4], holder) > 0) then
  redis.call('ZADD', KEYS[5], 0, holder)
  gives = true
end
if gives then
  if former then redis.call('HDEL', KEYS[8], former) end
  return 1
end
if ARGV[1] ~= 'keep-last' or not redis.call('LPOS', KEYS[6], holder) then return 0 end
if former == ARGV[2] then return 4 end
if former then redis.call('HDEL', KEYS[8], former) end
for _, id in ipairs(redis.call('HRANDFIELD', KEYS[8], 2)) do
  local unique = string.match(redis.call('HGET', KEYS[8], id), ':(.*)')
  if redis.call('HGET', ARGV[4] .. unique, 'jid') ~= id then redis.call('HDEL', KEYS[8], id) end
end
redis.call('HSET', KEYS[8], ARGV[2], ARGV[5] .. ':' .. ARGV[3])
return former and 3 or 2`;

/**
 * KEYS: our hash of kept jobs. ARGV: id, the key of a job without its id. The fields of a job that BullMQ keeps until
 * the holder of its key has ended.
 */
export const FIND_KEPT: string = `
local time, unique = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%d+):(.*)$')
if not unique then return false end
local kept = redis.call('HMGET', ARGV[2] .. 'dn:' .. unique, 'jid', 'name', 'data', 'opts')
if kept[1] ~= ARGV[1] then return false end
local priority = tostring(cjson.decode(kept[4]).priority or 0)
return {'name', kept[2], 'data', kept[3], 'opts', kept[4], 'timestamp', time, 'priority', priority}`;

/** KEYS: the job, active, completed, failed, delayed. ARGV: id. Its state, its score where it has one, its fields. */
export const FIND: string = `
local fields = redis.call('HGETALL', KEYS[1])
if #fields == 0 then return false end
if redis.call('LPOS', KEYS[2], ARGV[1]) then return {'active', '0', fields} end
for i, state in ipairs({'completed', 'dead', 'delayed'}) do
  local score = redis.call('ZSCORE', KEYS[2 + i], ARGV[1])
  if score then return {state, score, fields} end
end
return {'waiting', '0', fields}`;

/**
 * A page of the jobs of one state. KEYS: wait, prioritized, delayed, active, completed, failed. ARGV: state, offset,
 * limit, the score up to which a delayed job is due, the key of a job without its id. Rows of id, score and fields; a
 * job that has just gone leaves its fields empty.
 */
export const LIST: string = `
local state, skip, left, due, prefix = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local rows = {}
local function take(size, read)
  if left <= 0 then return end
  if skip >= size then skip = skip - size return end
  local found = read(skip, skip + left - 1)
  for i = 1, #found, 2 do
    rows[#rows + 1] = {found[i], found[i + 1], redis.call('HGETALL', prefix .. found[i])}
    left = left - 1
  end
  skip = 0
end
local function fromList(key)
  take(redis.call('LLEN', key), function(first, last)
    local found = {}
    local ids = redis.call('LRANGE', key, -1 - last, -1 - first)
    for i = #ids, 1, -1 do
      found[#found + 1] = ids[i]
      found[#found + 1] = '0'
    end
    return found
  end)
end
local function fromSet(key, low, high)
  take(redis.call('ZCOUNT', key, low, high), function(first, last)
    return redis.call('ZRANGEBYSCORE', key, low, high, 'WITHSCORES', 'LIMIT', first, last - first + 1)
  end)
end
if state == 'waiting' then
  fromList(KEYS[1])
  fromSet(KEYS[2], '-inf', '+inf')
  fromSet(KEYS[3], '-inf', due)
elseif state == 'delayed' then
  fromSet(KEYS[3], '(' .. due, '+inf')
elseif state == 'active' then
  fromList(KEYS[4])
else
  local key = state == 'completed' and KEYS[5] or KEYS[6]
  take(redis.call('ZCARD', key), function(first, last)
    return redis.call('ZREVRANGE', key, first, last, 'WITHSCORES')
  end)
end
return rows`;

/**
 * Figures of a queue. KEYS: wait, prioritized, delayed, active, completed, failed, meta. ARGV: the score up to which a
 * delayed job is due, the times before which completed and dead jobs are too old, the key of a job without its id, the
 * time a minute ago. Waiting, delayed, active, completed, dead, paused, since when the longest-waiting job could run (0
 * for none), and of completed and of dead jobs the number kept, those of the last minute, and the time of the oldest.
 */
export const STATS: string = `
local due = redis.call('ZCOUNT', KEYS[3], '-inf', ARGV[1])
local oldest
local function since(id)
  local job = redis.call('HMGET', ARGV[4] .. id, 'timestamp', 'processedOn', 'opts')
  if not job[1] then return end
  local delay = job[3] and tonumber(cjson.decode(job[3]).delay) or 0
  local time = math.max(tonumber(job[1]) + delay, tonumber(job[2] or 0))
  if not oldest or time < oldest then oldest = time end
end
for _, id in ipairs(redis.call('LRANGE', KEYS[1], -1, -1)) do since(id) end
for priority = 0, 3 do
  local low = string.format('%.0f', priority * 4294967296)
  local high = priority == 3 and '+inf' or string.format('(%.0f', (priority + 1) * 4294967296)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], low, high, 'LIMIT', 0, 1)) do since(id) end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1], 'LIMIT', 0, 1)) do since(id) end
local ended = {}
for i = 5, 6 do
  ended[#ended + 1] = redis.call('ZCARD', KEYS[i])
  ended[#ended + 1] = redis.call('ZCOUNT', KEYS[i], '(' .. ARGV[5], '+inf')
  ended[#ended + 1] = redis.call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')[2] or '0'
end
return {
  redis.call('LLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2]) + due,
  redis.call('ZCARD', KEYS[3]) - due,
  redis.call('LLEN', KEYS[4]),
  redis.call('ZCOUNT', KEYS[5], '(' .. ARGV[2], '+inf'),
  redis.call('ZCOUNT', KEYS[6], '(' .. ARGV[3], '+inf'),
  redis.call('HEXISTS', KEYS[7], 'paused'),
  oldest and string.format('%.0f', oldest) or '0',
  unpack(ended)
}`;

/**
 * Takes out a job that has yet to run, with its unique key, or asks for the end of one that runs. One that was kept until
 * it ends takes its place. KEYS: the job, wait, prioritized, delayed, active, cancelled, our hash of kept jobs, marker.
 * ARGV: id, the key of a job without its id, the time. A CancelResult, and of a job that was taken out the gate it waits at,
 * where it does.
 */
export const CANCEL: string = `
if redis.call('EXISTS', KEYS[1]) == 0 then
  local unique = string.match(redis.call('HGET', KEYS[7], ARGV[1]) or '', ':(.*)')
  if not unique or redis.call('HGET', ARGV[2] .. 'dn:' .. unique, 'jid') ~= ARGV[1] then return {'unknown'} end
  redis.call('DEL', ARGV[2] .. 'dn:' .. unique)
  redis.call('HDEL', KEYS[7], ARGV[1])
  return {'removed'}
end
local function follow(unique)
  local next = ARGV[2] .. 'dn:' .. unique
  local id, name, data, text = unpack(redis.call('HMGET', next, 'jid', 'name', 'data', 'opts'))
  if not id then return end
  local opts = cjson.decode(text)
  local delay = opts.delay or 0
  redis.call('HSET', ARGV[2] .. id, 'name', name, 'data', data, 'opts', text, 'timestamp', ARGV[3], 'delay', delay,
    'priority', opts.priority or 0, 'deid', unique)
  redis.call('SET', ARGV[2] .. 'de:' .. unique, id)
  redis.call('ZADD', KEYS[4], string.format('%.0f', (ARGV[3] + delay) * 4096), id)
  redis.call('ZADD', KEYS[8], 0, '0')
  redis.call('DEL', next)
  redis.call('HDEL', KEYS[7], id)
end
if redis.call('LREM', KEYS[2], 1, ARGV[1]) > 0 or redis.call('ZREM', KEYS[3], ARGV[1]) > 0
  or redis.call('ZREM', KEYS[4], ARGV[1]) > 0 then
  local unique = redis.call('HGET', KEYS[1], 'deid')
  if unique and redis.call('GET', ARGV[2] .. 'de:' .. unique) == ARGV[1] then
    redis.call('DEL', ARGV[2] .. 'de:' .. unique)
    follow(unique)
  end
  local gate = redis.call('HGET', KEYS[1], '${PARKED_FIELD}')
  redis.call('DEL', KEYS[1], KEYS[1] .. ':logs')
  return {'removed', gate}
end
if redis.call('LPOS', KEYS[5], ARGV[1]) then
  redis.call('SADD', KEYS[6], ARGV[1])
  redis.call('EXPIRE', KEYS[6], 86400)
  return {'signalled'}
end
return {'unknown'}`;

/**
 * Forgets that jobs were cancelled which have ended or are gone; one that runs or waits for another attempt stays marked.
 * KEYS: cancelled, completed, failed. ARGV: the key of a job without its id, then ids; without any, all that are marked.
 */
export const UNMARK: string = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local ids = {unpack(ARGV, 2)}
if #ids == 0 then ids = redis.call('SMEMBERS', KEYS[1]) end
for _, id in ipairs(ids) do
  if redis.call('EXISTS', ARGV[1] .. id) == 0 or redis.call('ZSCORE', KEYS[2], id) or redis.call('ZSCORE', KEYS[3], id) then
    redis.call('SREM', KEYS[1], id)
  end
end
return 0`;

/** KEYS: failed. ARGV: the key of a job without its id, then ids. How many dead jobs are forgotten. */
export const DISCARD: string = `
local count = 0
for i = 2, #ARGV do
  if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
    local job = ARGV[1] .. ARGV[i]
    redis.call('DEL', job, job .. ':logs', job .. ':dependencies', job .. ':processed', job .. ':failed', job .. ':unsuccessful')
    count = count + 1
  end
end
return count`;

/** Sets a field of a job that is there. KEYS: the job. ARGV: field, value. */
export const SET_FIELD: string = `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return 0`;

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
