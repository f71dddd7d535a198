import { UNMARK } from './cancelling.ts';
import { unmarkArguments } from './keys.ts';
import type { Access, Store } from './store.ts';

/** KEYS: failed. ARGV: the key of a job without its id, then ids. How many dead jobs are forgotten. */
const DISCARD = `
local count = 0
for i = 2, #ARGV do
  if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
    local job = ARGV[1] .. ARGV[i]
    redis.call('DEL', job, job .. ':logs', job .. ':dependencies', job .. ':processed', job .. ':failed', job .. ':unsuccessful')
    count = count + 1
  end
end
return count`;

/** Lets dead jobs wait again, with all their attempts. How many of the ids were dead. */
export async function retryDead(store: Store, ids: readonly string[]): Promise<number> {
  return inEveryQueue(store, ids, async (access, queue) => {
    const { key } = store.keys(queue);
    const scores = (await access.client.call('ZMSCORE', key('failed'), ...ids)) as (string | null)[];
    const dead = ids.filter((_, i) => scores[i] !== null);
    const backend = access.queue(queue).getBackend();
    if (dead.length > 0)
      await access.client.call('EVAL', UNMARK, ...unmarkArguments(store.keys(queue)), ...dead);
    const retried = await Promise.allSettled(
      dead.map(async (id) => {
        // Also its unique key: another job has it by now, and BullMQ would let a third go that waits for the end of that one.
        await access.client.call('HDEL', key(id), 'stc', 'deid');
        const job = { id, opts: {} } as never;
        await backend.retryFinishedJob(job, 'failed', { resetAttemptsMade: true });
      }),
    );
    return retried.filter(({ status }) => status === 'fulfilled').length;
  });
}

/** Forgets dead jobs. How many of the ids were dead. */
export async function discardDead(store: Store, ids: readonly string[]): Promise<number> {
  return inEveryQueue(store, ids, async ({ client }, queue) => {
    const { key } = store.keys(queue);
    return Number(await client.call('EVAL', DISCARD, 1, key('failed'), key(''), ...ids));
  });
}

async function inEveryQueue(
  store: Store,
  ids: readonly string[],
  act: (access: Access, queue: string) => Promise<number>,
): Promise<number> {
  if (ids.length === 0) return 0;
  return store.run(async (access) => {
    let count = 0;
    for (const queue of await store.names(access)) count += await act(access, queue);
    return count;
  });
}
