import { type DriverJob, type Gate, PARK } from '../../driver.ts';
import type { Store } from './store.ts';

/**
 * Lets a job through a gate. KEYS: those inside, those parked, the window of the rate, the job. ARGV: id, how many may be
 * inside (0 for any), starts in a window, its length in ms (0 for none), ms to park, the key of a job without its id.
 * The ms to wait, 0 to go. A place is as good as the lock of its job: who lost its process holds none.
 */
const ENTER = `
local id, limit, starts, per = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
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
if per > 0 then
  local slot = tonumber(redis.call('HGET', KEYS[4], 'infra:slot') or '-1')
  if slot < 0 then
    local current = math.floor(now / per)
    local window = redis.call('HMGET', KEYS[3], 'number', 'count')
    local number, count = tonumber(window[1] or current), tonumber(window[2] or 0)
    if number < current then number, count = current, 0 end
    if count >= starts then number, count = number + 1, 0 end
    redis.call('HSET', KEYS[3], 'number', string.format('%.0f', number), 'count', count + 1)
    redis.call('PEXPIRE', KEYS[3], string.format('%.0f', (number + 1) * per - now))
    slot = number * per
  end
  if slot > now then
    redis.call('HSET', KEYS[4], 'infra:slot', string.format('%.0f', slot))
    return math.ceil(slot - now)
  end
  redis.call('HDEL', KEYS[4], 'infra:slot')
end
if limit > 0 then
  redis.call('ZREM', KEYS[2], id)
  redis.call('SADD', KEYS[1], id)
  redis.call('PEXPIRE', KEYS[1], 604800000)
end
return 0`;

/**
 * Gives up the place of a job, if it has one, and makes the first that is parked due when there is room. KEYS: those
 * inside, those parked, delayed, marker. ARGV: id, how many may be inside, the key of a job without its id.
 */
const LEAVE = `
redis.call('SREM', KEYS[1], ARGV[1])
if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, 99)) do
  if redis.call('ZSCORE', KEYS[3], id) then
    redis.call('ZADD', KEYS[3], 0, id)
    redis.call('ZADD', KEYS[4], 0, '0')
    return 1
  end
  if redis.call('EXISTS', ARGV[3] .. id .. ':lock') == 0 then redis.call('ZREM', KEYS[2], id) end
end
return 0`;

/** Lets an active job through a gate: 0, or the milliseconds to wait. */
export async function enterGate(store: Store, { queue, id }: DriverJob, gate: Gate): Promise<number> {
  const { key } = store.keys(queue);
  const { concurrency, rate } = gate;
  const keys = [...placesOf(key, gate), key(`infra:rate:${rate?.key}`), key(id)];
  const args = [id, concurrency?.limit ?? 0, rate?.limit ?? 0, rate?.per ?? 0, PARK, key('')];
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
