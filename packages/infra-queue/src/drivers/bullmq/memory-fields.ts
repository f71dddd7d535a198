import type { Store } from './store.ts';

/** Sets a field of a job that is there. KEYS: the job. ARGV: field, value. */
export const SET_FIELD: string = `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return 0`;

/** What a job remembers lies in its own hash, and goes with it. */
const FIELD = 'infra:memory:';

/** What a job remembers under a key. */
export async function recall(
  store: Store,
  queue: string,
  id: string,
  key: string,
): Promise<string | undefined> {
  const found = await store.run(({ client }) => client.call('HGET', store.keys(queue).key(id), FIELD + key));
  return found === null ? undefined : String(found);
}

/** Lets a job remember a text under a key. */
export async function remember(
  store: Store,
  queue: string,
  id: string,
  key: string,
  value: string,
): Promise<void> {
  await store.run(({ client }) =>
    client.call('EVAL', SET_FIELD, 1, store.keys(queue).key(id), FIELD + key, value),
  );
}
