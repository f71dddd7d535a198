import type { JobsOptions, RedisQueueBackend } from 'bullmq';
import type { Added, NewJob, Priority } from '../../driver.ts';
import { UNMARK } from './cancelling.ts';
import { unmarkArguments } from './keys.ts';
import { shareWrite } from './one-write.ts';
import type { Access, Store } from './store.ts';

/**
 * Makes room for a job that may replace the holder of its unique key. BullMQ replaces a delayed job only, so one that
 * waits becomes delayed first. While the holder is active, BullMQ keeps a job with `keep-last`, and tells nobody: a hash
 * of ours says under which key it is. KEYS: the new job, the unique key, wait, prioritized, delayed, active, the kept job
 * of the key, our hash. ARGV: `keep-last` or `replace`, id, unique key, the key of a kept job without its unique key, the
 * time. 0 for nothing, 1 when the holder gives way, 2 when the new job will be kept, 3 in the place of another.
 */
const MAKE_ROOM = `
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
if former then redis.call('HDEL', KEYS[8], former) end
for _, id in ipairs(redis.call('HRANDFIELD', KEYS[8], 2)) do
  local unique = string.match(redis.call('HGET', KEYS[8], id), ':(.*)')
  if redis.call('HGET', ARGV[4] .. unique, 'jid') ~= id then redis.call('HDEL', KEYS[8], id) end
end
redis.call('HSET', KEYS[8], ARGV[2], ARGV[5] .. ':' .. ARGV[3])
return former and 3 or 2`;

/**
 * Whether a job of an id is there. BullMQ knows nothing of one that `keep-last` keeps: a stand-in keeps it from storing
 * another, until {@link FREE}. KEYS: the new job, the hash of the kept jobs. ARGV: id, the key of a kept job without its unique key.
 */
const TAKEN = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 1 end
local kept = redis.call('HGET', KEYS[2], ARGV[1])
local unique = kept and string.match(kept, ':(.*)')
if not unique or redis.call('HGET', ARGV[2] .. unique, 'jid') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'infra:stand-in', '1')
return 1`;

/** Takes a stand-in away. KEYS: the new job. */
const FREE = `if redis.call('HEXISTS', KEYS[1], 'infra:stand-in') == 1 then redis.call('DEL', KEYS[1]) end return 0`;

/** All of ours have one: BullMQ runs jobs without a priority before those with any. */
export const PRIORITY_NUMBERS: Record<Priority, number> = { high: 1, normal: 2, low: 3 };

/** What a backend of BullMQ's sends its commands by. */
export type BackendClient = Awaited<RedisQueueBackend['client']>;

/** The part of ioredis's transactions that is used here. */
interface Transaction {
  eval(script: string, keys: number, ...args: (string | number)[]): unknown;
  exec(): Promise<[Error | null, unknown][] | null>;
}

/** What travels in a job's options beside BullMQ's own. */
export interface OurOptions {
  /** The time of the tick that made it. */
  readonly tick?: number;
}

/** Stores jobs of any queues. */
export async function addJobs(
  store: Store,
  access: Access,
  jobs: readonly NewJob[],
): Promise<readonly Added[]> {
  const added = new Map<NewJob, Added>();
  for (const [queue, group] of byQueue(jobs)) {
    await store.note(access, queue);
    const results = await addToQueue(store, access, queue, group);
    group.forEach((job, i) => {
      added.set(job, results[i] as Added);
    });
  }
  return jobs.map((job) => added.get(job) as Added);
}

function byQueue(jobs: readonly NewJob[]): Map<string, NewJob[]> {
  const groups = new Map<string, NewJob[]>();
  for (const job of jobs) {
    const group = groups.get(job.queue);
    if (group) group.push(job);
    else groups.set(job.queue, [job]);
  }
  return groups;
}

/**
 * Stores jobs of one queue together. Those that no other can be in the way of are one command each; `also` adds commands
 * to the end of a transaction.
 */
export async function addToQueue(
  store: Store,
  access: Access,
  name: string,
  jobs: readonly NewJob[],
  also?: (transaction: Transaction) => void,
): Promise<Added[]> {
  const backend = access.queue(name).getBackend();
  const now = store.time.now();
  if (also || !jobs.every(isAlone)) {
    const prepared = jobs.map((job) => bullmqJob(job, now));
    return addInTransaction(store, backend, name, jobs, prepared, also);
  }
  const client = await backend.client;
  return Promise.all(
    jobs.map((job) => {
      shareWrite(access.client);
      return addAlone(backend, client, job, now);
    }),
  );
}

/** Whether no other job can be in the way of this one: then it is one command. */
export const isAlone = (job: NewJob): boolean => job.generated === true && !mayReplace(job);

/** Stores a job that {@link isAlone}. The command is on its way when this returns. */
export function addAlone(
  backend: RedisQueueBackend,
  client: BackendClient,
  job: NewJob,
  now: number,
): Promise<Added> {
  return backend
    .addJobToTransaction(client, bullmqJob(job, now) as never, job.id)
    .then((id) => ({ id, status: id === job.id ? 'enqueued' : 'duplicate' }));
}

/** BullMQ does not say when an id is there already, so one that the caller chose is looked for just before. */
async function addInTransaction(
  store: Store,
  backend: RedisQueueBackend,
  name: string,
  jobs: readonly NewJob[],
  prepared: readonly object[],
  also: ((transaction: Transaction) => void) | undefined,
): Promise<Added[]> {
  const { key } = store.keys(name);
  const batch = (await backend.client).multi();
  const transaction = batch as unknown as Transaction;
  const chosen = jobs.filter(({ generated }) => !generated).map(({ id }) => id);
  if (chosen.length > 0) transaction.eval(UNMARK, ...unmarkArguments(store.keys(name)), ...chosen);
  const queued: Promise<unknown>[] = [];
  for (const [i, job] of jobs.entries()) {
    if (!job.generated) transaction.eval(TAKEN, 2, key(job.id), key('infra:kept'), job.id, key('dn:'));
    if (mayReplace(job)) transaction.eval(MAKE_ROOM, ...roomArguments(job, key));
    queued.push(backend.addJobToTransaction(batch, prepared[i] as never, job.id));
    if (!job.generated) transaction.eval(FREE, 1, key(job.id));
  }
  also?.(transaction);
  await Promise.all(queued);
  const replies = (await transaction.exec()) ?? [];
  let next = 0;
  const read = (): [Error | null, unknown] =>
    replies[next++] ?? [new Error('the transaction was dropped'), null];
  if (chosen.length > 0) reply(read());
  const results: Added[] = [];
  for (const [i, job] of jobs.entries()) {
    const existed = !job.generated && reply(read()) === 1;
    const room = mayReplace(job) ? Number(reply(read())) : 0;
    const [error, stored] = read();
    if (!job.generated) reply(read());
    if (existed) {
      results.push({ id: job.id, status: 'duplicate' });
      continue;
    }
    // A server that was restarted has forgotten the scripts; alone, a job brings its script along.
    if (error && !/^NOSCRIPT/.test(error.message)) throw error;
    const id = String(error ? await backend.addJob(prepared[i] as never, job.id, {}) : stored);
    const kept = room > 1 && id !== job.id;
    if (id !== job.id && !kept) results.push({ id, status: 'duplicate' });
    else results.push({ id: job.id, status: room === 1 || room === 3 ? 'replaced' : 'enqueued' });
  }
  return results;
}

const mayReplace = ({ unique }: NewJob): boolean => unique !== undefined && unique.onConflict !== 'skip';

/** What the script MAKE_ROOM is given of a job. */
function roomArguments(
  { id, unique }: NewJob,
  key: (part: string) => string,
): [number, ...(string | number)[]] {
  const { key: text = '', onConflict = 'skip' } = unique ?? {};
  const places = [id, `de:${text}`, 'wait', 'prioritized', 'delayed', 'active', `dn:${text}`, 'infra:kept'];
  return [places.length, ...places.map(key), onConflict, id, text, key('dn:'), Date.now()];
}

function reply([error, value]: [Error | null, unknown]): unknown {
  if (error) throw error;
  return value;
}

/** A job in the form in which BullMQ's scripts take it, the payload as its plain data. */
function bullmqJob(job: NewJob, timestamp: number): object {
  const { name, payload, meta, priority, attempts, at, unique, tick } = job;
  const delay = at === undefined ? job.delay : Math.max(0, at - timestamp);
  const opts: { -readonly [K in keyof OurOptions]: OurOptions[K] } & JobsOptions = {
    attempts,
    delay,
    priority: PRIORITY_NUMBERS[priority],
    backoff: BACKOFF,
  };
  if (Object.keys(meta).length > 0) opts.telemetry = { metadata: JSON.stringify(meta) };
  if (unique) opts.deduplication = deduplication(unique);
  if (tick !== undefined) opts.tick = tick;
  return { name, timestamp, data: payload, deduplicationId: unique?.key, opts };
}

/** For a worker that is not ours: ours decides on each failure. */
const BACKOFF = { type: 'exponential', delay: 1000 } as const;

const deduplication = ({
  key,
  ttl,
  onConflict,
}: NonNullable<NewJob['unique']>): NonNullable<JobsOptions['deduplication']> => ({
  id: key,
  ...(ttl === undefined ? {} : { ttl }),
  ...(onConflict === 'skip' ? {} : { replace: true }),
  ...(onConflict === 'keep-last' ? { keepLastIfActive: true } : {}),
});
