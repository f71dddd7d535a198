import { type DriverJob, type Gate, PARK } from '../../driver.ts';
import type { Store } from './store.ts';

/**
 * Lets a job through a gate. KEYS: those inside, those parked, the window of the rate, the job, the last one that started
 * of those to keep apart. ARGV: id, how many may be inside (0 for any), starts in a window, its length in ms (0 for none),
 * ms to park, the key of a job without its id, ms to keep apart (0 for none).
 * The ms to wait, 0 to go. A place is as good as the lock of its job: who lost its process holds none. A slot lets in from
 * its window on, while the current window has had fewer starts than it may: who comes late may have to take another.
 */
const ENTER = `
local id, limit, starts, per = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local apart = tonumber(ARGV[7])
if apart > 0 then
  local former, left = redis.call('GET', KEYS[5]), redis.call('PTTL', KEYS[5])
  if former and former ~= id and left > 0 then return left end
end
if limit > 0 and redis.call('SISMEMBER', KEYS[1], id) == 0 and redis.call('SCARD', KEYS[1]) >= limit then
  for _, other in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    if redis.call('EXISTS', ARGV[6] .. other .. ':lock') == 0 then redis.call('SREM', KEYS[1], other) end
  end
  if redis.call('SCARD', KEYS[1]) >= limit then
    redis.call('ZADD', KEYS[2], 'NX', now, id)
    redis.call('PEXPIRE', KEYS[2], 604800000)
    return tonumber(ARGV[5])
  end
end
redis.call('ZREM', KEYS[2], id)
if per > 0 then
  local current = math.floor(now / per)
  local window = redis.call('HMGET', KEYS[3], 'number', 'count', 'at', 'started')
  local number, count = tonumber(window[1] or current), tonumber(window[2] or 0)
  local started = tonumber(window[3] or -1) == current and tonumber(window[4] or 0) or 0
  local reserved = 'infra:slot:' .. ARGV[4]
  local slot = tonumber(redis.call('HGET', KEYS[4], reserved) or '-1')
  if number < current then number, count = current, 0 end
  if slot < 0 or (slot <= now and started >= starts) then
    if number == current then count = math.max(count, started) end
    if count >= starts then number, count = number + 1, 0 end
    count = count + 1
    slot = number * per
  end
  if slot <= now then
    redis.call('HSET', KEYS[3], 'at', string.format('%.0f', current), 'started', started + 1)
    redis.call('HDEL', KEYS[4], reserved)
  else
    redis.call('HSET', KEYS[4], reserved, string.format('%.0f', slot))
  end
  redis.call('HSET', KEYS[3], 'number', string.format('%.0f', number), 'count', count)
  redis.call('PEXPIRE', KEYS[3], string.format('%.0f', (number + 1) * per - now))
  if slot > now then return math.ceil(slot - now) end
end
if apart > 0 then redis.call('SET', KEYS[5], id, 'PX', apart, 'NX') end
if limit > 0 then
  redis.call('SADD', KEYS[1], id)
  redis.call('PEXPIRE', KEYS[1], 604800000)
end
return 0`;

/**
 * Gives up the place of a job, if it has one, and makes as many that are parked due as there is room for. Those are parked
 * no more, so that the next to leave wakes others. KEYS: those inside, those parked, delayed, marker. ARGV: id, how many
 * may be inside, the key of a job without its id.
 */
const LEAVE = `
redis.call('SREM', KEYS[1], ARGV[1])
local room, passed = tonumber(ARGV[2]) - redis.call('SCARD', KEYS[1]), 0
local woken = 0
while woken < room do
  local ids = redis.call('ZRANGE', KEYS[2], passed, passed + 99)
  if #ids == 0 then break end
  for _, id in ipairs(ids) do
    if woken >= room then break end
    if redis.call('ZSCORE', KEYS[3], id) then
      redis.call('ZADD', KEYS[3], 0, id)
      redis.call('ZREM', KEYS[2], id)
      woken = woken + 1
    elseif redis.call('EXISTS', ARGV[3] .. id .. ':lock') == 0 then
      redis.call('ZREM', KEYS[2], id)
    else
      passed = passed + 1
    end
  end
end
if woken > 0 then redis.call('ZADD', KEYS[4], 0, '0') end
return woken`;

/** Lets an active job through a gate: 0, or the milliseconds to wait. */
export async function enterGate(store: Store, { queue, id }: DriverJob, gate: Gate): Promise<number> {
  const { key } = store.keys(queue);
  const { concurrency, rate, apart } = gate;
  const parts = [`infra:rate:${rate?.per}:${rate?.key}`, id, `infra:apart:${apart?.key}`];
  const keys = [...placesOf(key, gate), ...parts.map(key)];
  const limits = [concurrency?.limit ?? 0, rate?.limit ?? 0, rate?.per ?? 0];
  const args = [id, ...limits, PARK, key(''), apart?.ms ?? 0];
  return store.run(async ({ client }) =>
    Number(await client.call('EVAL', ENTER, keys.length, ...keys, ...args)),
  );
}

/** Gives up the place of a job that has one, and lets the next one that waits try. */
export async function leaveGate(store: Store, queue: string, id: string, gate: Gate): Promise<void> {
  const { key } = store.keys(queue);
  if (!gate.concurrency) return;
  const keys = [...placesOf(key, gate), key('delayed'), key('marker')];
  const args = [id, gate.concurrency.limit, key('')];
  await store.run(({ client }) => client.call('EVAL', LEAVE, keys.length, ...keys, ...args));
}

const placesOf = (key: (part: string) => string, { concurrency }: Gate): [inside: string, parked: string] => [
  key(`infra:inside:${concurrency?.key}`),
  key(`infra:parked:${concurrency?.key}`),
];
