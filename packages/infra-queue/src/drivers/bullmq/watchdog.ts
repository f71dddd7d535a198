import { dueScore } from './records.ts';
import type { Store } from './store.ts';

/** A worker that is watched. */
export interface Watched {
  readonly store: Store;
  readonly queue: string;
  /** Milliseconds between two looks. */
  readonly every: number;
  /** How many jobs it was handed so far; `undefined` while it has no room for another, or is not there. */
  fetched(): number | undefined;
  /** Gives it a new connection. */
  reconnect(): void;
  /** Puts another in its place. */
  replace(): void;
  /** A look failed. */
  failed(thrown: unknown): void;
}

/**
 * Whether a job could be handed out, or one is that nobody holds: a worker that goes on would have found it soon. KEYS:
 * wait, prioritized, delayed, meta, active. ARGV: the score up to which one is due, the key of a job without its id.
 */
const DUE = `
local meta = redis.call('HMGET', KEYS[4], 'paused', 'concurrency')
if meta[1] or meta[2] then return 0 end
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then return 1 end
if #redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1], 'LIMIT', 0, 1) > 0 then return 1 end
for _, id in ipairs(redis.call('LRANGE', KEYS[5], -20, -1)) do
  if redis.call('EXISTS', ARGV[2] .. id .. ':lock') == 0 then return 1 end
end
return 0`;

/** Looks in a row that find due jobs, room for them, and none handed out: an idle worker of BullMQ's may take ten seconds. */
const RECONNECT_AT = 3;
const REPLACE_AT = 6;

/**
 * Watches that a worker goes on fetching. A connection that ended without a word, or a fault of BullMQ's, can leave one
 * that waits for ever: it looks idle while its queue fills. The returned function ends it.
 */
export function watchFetching(watched: Watched): () => void {
  const { store, queue, every } = watched;
  const { key } = store.keys(queue);
  const keys = ['wait', 'prioritized', 'delayed', 'meta', 'active'].map(key);
  let before: number | undefined;
  let strikes = 0;
  let looking = false;
  const look = async (): Promise<void> => {
    const fetched = watched.fetched();
    const still = fetched !== undefined && fetched === before;
    before = fetched;
    const due = still && (await isDue(store, keys, key('')));
    // One may have come while we looked.
    strikes = due && watched.fetched() === fetched ? strikes + 1 : 0;
    if (strikes === RECONNECT_AT) watched.reconnect();
    if (strikes === REPLACE_AT) watched.replace();
    if (strikes === REPLACE_AT) strikes = 0;
  };
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      .catch(watched.failed)
      .finally(() => {
        looking = false;
      });
  }, every);
  timer.unref();
  return () => clearInterval(timer);
}

async function isDue(store: Store, keys: readonly string[], job: string): Promise<boolean> {
  const due = await store.run(({ client }) =>
    client.call('EVAL', DUE, keys.length, ...keys, dueScore(Date.now()), job),
  );
  return Number(due) > 0;
}
