import type { CancelResult, Gate, Outcome } from '../../driver.ts';
import { leaveGate, PARKED_FIELD } from './gates.ts';
import { cancelRun, type Running } from './running.ts';
import type { Store } from './store.ts';

/**
 * Takes out a job that has yet to run, with its unique key, or asks for the end of one that runs. One that was kept until
 * it ends takes its place. KEYS: the job, wait, prioritized, delayed, active, cancelled, our hash of kept jobs, marker.
 * ARGV: id, the key of a job without its id, the time. A CancelResult, and of a job that was taken out the gate it waits at,
 * where it does.
 */
const CANCEL = `
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

/** What a cancelled job comes to. */
export const CANCELLED: Outcome = Object.freeze({ type: 'discarded', reason: 'cancelled' });

/** True for what a cancelled job must not come to. */
export const wouldRunAgain = ({ type }: Outcome): boolean => type === 'released' || type === 'retry';

/**
 * True for a job that was cancelled, maybe by another process a moment ago. Nobody asks where many go back at once: before
 * a gate, and when the worker stops.
 */
export async function isCancelled(
  store: Store,
  queue: string,
  entry: Running,
  outcome: Outcome,
): Promise<boolean> {
  const { cancelled, job } = entry;
  if (cancelled || (outcome.type === 'released' && (outcome.parked || outcome.delay === 0))) return cancelled;
  const key = store.keys(queue).key('infra:cancelled');
  return (await store.run(({ client }) => client.call('SISMEMBER', key, job.id ?? ''))) === 1;
}

/** Tells those that run here which of them were cancelled elsewhere. */
export async function pollCancelled(
  store: Store,
  queue: string,
  running: Map<string, Running>,
): Promise<void> {
  const ids = [...running.keys()];
  if (ids.length === 0) return;
  const key = store.keys(queue).key('infra:cancelled');
  const marks = await store.run(
    async ({ client }) => (await client.call('SMISMEMBER', key, ...ids)) as number[],
  );
  const cancelled = ids.filter((_, i) => marks[i] === 1);
  for (const id of cancelled) cancelRun(running.get(id));
}

/** The job ends: that it was cancelled concerns no later run. */
export async function unmark(store: Store, queue: string, id: string): Promise<void> {
  await store.run(({ client }) => client.call('SREM', store.keys(queue).key('infra:cancelled'), id));
}

/** Cancels a job in whatever queue. `here` is told the queue of one that runs, which may be in this process. */
export function cancelJob(store: Store, id: string, here: (queue: string) => void): Promise<CancelResult> {
  return store.run(async (access) => {
    for (const queue of await store.names(access)) {
      const { key } = store.keys(queue);
      const lists = ['wait', 'prioritized', 'delayed', 'active', 'infra:cancelled', 'infra:kept', 'marker'];
      const places = [id, ...lists].map(key);
      const args = [id, key(''), Date.now()];
      const reply = await access.client.call('EVAL', CANCEL, places.length, ...places, ...args);
      const [result, gate] = reply as [CancelResult, string?];
      if (result === 'signalled') here(queue);
      // A place may have been kept for it.
      if (gate) await leaveGate(store, queue, id, '', JSON.parse(gate) as Gate).catch(() => undefined);
      if (result !== 'unknown') return result;
    }
    return 'unknown';
  });
}
