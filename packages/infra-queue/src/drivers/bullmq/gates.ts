import { type DriverJob, type Gate, LONGEST_PARK, PARK } from '../../driver.ts';
import type { Store } from './store.ts';

/** The field of a job that holds the gate it waits at, or has waited at, as JSON. */
export const PARKED_FIELD = 'infra:parked';

/**
 * What both scripts begin with. KEYS: the places, the line before them, delayed, marker. ARGV: id, the token of its lock,
 * how many places there are (0 for any number), the key of a job without its id.
 *
 * A place belongs to a run, and is as good as the lock of its job: a run that lost its process, or its job to another
 * worker, has none. One that came free is kept for the first in line while that is on its way, for a time.
 */
const GATE = `
local id, token, limit, jobs = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local PARK, LONGEST, FIRST = ${PARK}, ${LONGEST_PARK}, 3
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function room()
  local open = limit - redis.call('HLEN', KEYS[1])
  if open > 0 then return open end
  local held = redis.call('HGETALL', KEYS[1])
  for i = 1, #held, 2 do
    local kept = tonumber((string.match(held[i + 1], '^kept until (%d+)$')))
    local good
    if kept then good = kept > now and redis.call('EXISTS', jobs .. held[i]) == 1
    else good = redis.call('GET', jobs .. held[i] .. ':lock') == held[i + 1] end
    if not good then redis.call('HDEL', KEYS[1], held[i]) end
  end
  return limit - redis.call('HLEN', KEYS[1])
end
-- One that is not delayed is on its way already.
local function hurry(job)
  if not redis.call('ZSCORE', KEYS[3], job) then return end
  redis.call('ZADD', KEYS[3], 0, job)
  redis.call('ZADD', KEYS[4], 0, '0')
end
-- Keeps what is free for the first in line. Then the first try by themselves, should all words be lost that would wake them.
local function wake()
  if redis.call('EXISTS', KEYS[2]) == 0 then return end
  local open = room()
  while open > 0 do
    local first = redis.call('ZPOPMIN', KEYS[2])[1]
    if not first then return end
    if redis.call('EXISTS', jobs .. first) == 1 and redis.call('HEXISTS', jobs .. first, 'finishedOn') == 0 then
      redis.call('HSET', KEYS[1], first, string.format('kept until %.0f', now + PARK))
      open = open - 1
      hurry(first)
    end
  end
  local soon = (now + PARK) * 4096
  for _, first in ipairs(redis.call('ZRANGE', KEYS[2], 0, FIRST - 1)) do
    local due = redis.call('ZSCORE', KEYS[3], first)
    if due and tonumber(due) > soon then redis.call('ZADD', KEYS[3], string.format('%.0f', soon), first) end
  end
end`;

/**
 * Lets a job through a gate. KEYS: those of GATE, the window of the rate, the job, the last one that started of those to
 * keep apart. ARGV: those of GATE, starts in a window, its length in ms (0 for none), the gate as JSON, ms to keep apart (0
 * for none). The ms to wait, 0 to go. A line is in the order of priority, and then of first arrival. A slot lets in from
 * its window on, while the current window has had fewer starts than it may: who comes late may have to take another.
 */
const ENTER = `${GATE}
local starts, per = tonumber(ARGV[5]), tonumber(ARGV[6])
local holder = redis.call('GET', KEYS[6] .. ':lock')
if (holder and holder ~= token) or redis.call('EXISTS', KEYS[6]) == 0 then return PARK end
local apart = tonumber(ARGV[8])
if apart > 0 then
  local former, left = redis.call('GET', KEYS[7]), redis.call('PTTL', KEYS[7])
  if former and former ~= id and left > 0 then
    redis.call('HDEL', KEYS[1], id)
    return left
  end
end
if limit > 0 and redis.call('HEXISTS', KEYS[1], id) == 0 and room() <= 0 then
  local came = redis.call('HGET', KEYS[6], 'infra:came')
  if not came then
    local priority = tonumber(redis.call('HGET', KEYS[6], 'priority') or 0)
    came = string.format('%.0f', priority * 2e15 + time[1] * 1000000 + time[2] - 1.6e15)
    redis.call('HSET', KEYS[6], 'infra:came', came, '${PARKED_FIELD}', ARGV[7])
  end
  redis.call('ZADD', KEYS[2], came, id)
  redis.call('PEXPIRE', KEYS[2], 604800000)
  local ahead = redis.call('ZRANK', KEYS[2], id)
  return ahead < FIRST and PARK or math.min(LONGEST, PARK * ahead)
end
redis.call('ZREM', KEYS[2], id)
if per > 0 then
  local current = math.floor(now / per)
  local window = redis.call('HMGET', KEYS[5], 'number', 'count', 'at', 'started')
  local number, count = tonumber(window[1] or current), tonumber(window[2] or 0)
  local started = tonumber(window[3] or -1) == current and tonumber(window[4] or 0) or 0
  local reserved = 'infra:slot:' .. ARGV[6]
  local slot = tonumber(redis.call('HGET', KEYS[6], reserved) or '-1')
  if number < current then number, count = current, 0 end
  if slot < 0 or (slot <= now and started >= starts) then
    if number == current then count = math.max(count, started) end
    if count >= starts then number, count = number + 1, 0 end
    count = count + 1
    slot = number * per
  end
  if slot <= now then
    redis.call('HSET', KEYS[5], 'at', string.format('%.0f', current), 'started', started + 1)
    redis.call('HDEL', KEYS[6], reserved)
  else
    redis.call('HSET', KEYS[6], reserved, string.format('%.0f', slot))
  end
  redis.call('HSET', KEYS[5], 'number', string.format('%.0f', number), 'count', count)
  redis.call('PEXPIRE', KEYS[5], string.format('%.0f', (number + 1) * per - now))
  if slot > now then
    redis.call('HDEL', KEYS[1], id)
    return math.ceil(slot - now)
  end
end
if apart > 0 then redis.call('SET', KEYS[7], id, 'PX', apart, 'NX') end
if limit > 0 then
  redis.call('HSET', KEYS[1], id, token)
  redis.call('PEXPIRE', KEYS[1], 604800000)
  redis.call('HDEL', KEYS[6], 'infra:came', '${PARKED_FIELD}')
  wake()
end
return 0`;

/**
 * Gives up the place of a run, if it has one, and wakes as many that wait as there is room for. KEYS and ARGV: those of
 * GATE. A job that was delayed while a place was kept for it is woken too; one that is gone needs none.
 */
const LEAVE = `${GATE}
local held = redis.call('HGET', KEYS[1], id)
if held == token or redis.call('EXISTS', jobs .. id) == 0 then redis.call('HDEL', KEYS[1], id)
elseif held then hurry(id) end
wake()
return 0`;

/** Lets an active job through a gate, under the token of its lock: 0, or the milliseconds to wait. */
export async function enterGate(store: Store, job: DriverJob, token: string, gate: Gate): Promise<number> {
  const { key } = store.keys(job.queue);
  const { rate, apart } = gate;
  const keys = [
    ...gateKeys(key, gate),
    key(`infra:rate:${rate?.per}:${rate?.key}`),
    key(job.id),
    key(`infra:apart:${apart?.key}`),
  ];
  const args = [
    ...gateArguments(key, job.id, token, gate),
    rate?.limit ?? 0,
    rate?.per ?? 0,
    JSON.stringify(gate),
    apart?.ms ?? 0,
  ];
  return store.run(async ({ client }) =>
    Number(await client.call('EVAL', ENTER, keys.length, ...keys, ...args)),
  );
}

/** Gives up the place of a run that has one, and lets those that wait for it try. */
export async function leaveGate(
  store: Store,
  queue: string,
  id: string,
  token: string,
  gate: Gate,
): Promise<void> {
  if (!gate.concurrency) return;
  const { key } = store.keys(queue);
  const keys = gateKeys(key, gate);
  const args = gateArguments(key, id, token, gate);
  await store.run(({ client }) => client.call('EVAL', LEAVE, keys.length, ...keys, ...args));
}

const gateKeys = (key: (part: string) => string, { concurrency }: Gate): string[] => [
  key(`infra:places:${concurrency?.key}`),
  key(`infra:line:${concurrency?.key}`),
  key('delayed'),
  key('marker'),
];

const gateArguments = (
  key: (part: string) => string,
  id: string,
  token: string,
  { concurrency }: Gate,
): (string | number)[] => [id, token, concurrency?.limit ?? 0, key('')];
