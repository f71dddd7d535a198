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
