import {
  type JobRecord,
  type JobState,
  type KeepPolicy,
  type ListQuery,
  perMinute,
  type QueueCounts,
  type Retention,
} from '../../driver.ts';
import { PRIORITY_NUMBERS } from './adding.ts';
import { FIND, FIND_KEPT, LIST, STATS } from './reading-scripts.ts';
import { dueScore, jobRecord, type Row } from './records.ts';
import type { Access, Store } from './store.ts';

const PAGE = 200;
/** A score that is not due. */
const FAR = Number.MAX_SAFE_INTEGER;

const byTime = (a: JobRecord, b: JobRecord): number => a.addedAt - b.addedAt;
const ORDERS: Record<JobState, (a: JobRecord, b: JobRecord) => number> = {
  waiting: (a, b) => PRIORITY_NUMBERS[a.priority] - PRIORITY_NUMBERS[b.priority] || byTime(a, b),
  delayed: (a, b) => (a.runAt ?? 0) - (b.runAt ?? 0),
  active: (a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0),
  completed: (a, b) => (b.finishedAt ?? 0) - (a.finishedAt ?? 0),
  dead: (a, b) => (b.finishedAt ?? 0) - (a.finishedAt ?? 0),
};

/** Looks a job up in every queue. */
export function findJob(store: Store, id: string): Promise<JobRecord | undefined> {
  return store.run(async (access) => {
    const names = await store.names(access);
    const found = await Promise.all(names.map((name) => findIn(store, access, name, id)));
    return found.find((record) => record !== undefined);
  });
}

async function findIn(
  store: Store,
  { client }: Access,
  queue: string,
  id: string,
): Promise<JobRecord | undefined> {
  const { key } = store.keys(queue);
  const places = [id, 'active', 'completed', 'failed', 'delayed'].map(key);
  const found = await client.call('EVAL', FIND, places.length, ...places, id);
  if (!Array.isArray(found)) return findKept(store, { client }, queue, id);
  const [state, score, fields] = found as [JobState, string, string[]];
  return jobRecord(queue, state, [id, score, fields], Date.now());
}

/** A job that BullMQ keeps, as no job yet, until the holder of its unique key has ended. */
async function findKept(
  store: Store,
  { client }: Pick<Access, 'client'>,
  queue: string,
  id: string,
): Promise<JobRecord | undefined> {
  const { key } = store.keys(queue);
  const fields = await client.call('EVAL', FIND_KEPT, 1, key('infra:kept'), id, key(''));
  if (!Array.isArray(fields)) return undefined;
  const { runAt: _, ...record } = jobRecord(queue, 'delayed', [id, String(FAR), fields as string[]], 0);
  return record;
}

/** Lists jobs of one state, of one queue or of all. */
export function listJobs(store: Store, query: ListQuery, keep: KeepPolicy): Promise<readonly JobRecord[]> {
  const { state, queue, offset = 0, limit } = query;
  return store.run(async (access) => {
    const names = queue === undefined ? await store.names(access) : [queue];
    const lists = await Promise.all(
      names.map((name) => listIn(store, access, name, { ...query, limit: offset + limit }, keep)),
    );
    const all = lists.flat();
    // One queue's list is in its running order already, which times alone do not tell.
    if (names.length > 1 || state === 'active') all.sort(ORDERS[state]);
    return all.slice(offset, offset + limit);
  });
}

async function listIn(
  store: Store,
  { client }: Access,
  queue: string,
  { state, name, limit }: ListQuery,
  keep: KeepPolicy,
): Promise<JobRecord[]> {
  const { key } = store.keys(queue);
  const places = ['wait', 'prioritized', 'delayed', 'active', 'completed', 'failed'].map(key);
  const now = Date.now();
  const oldest = state === 'completed' || state === 'dead' ? now - keep[state].age : 0;
  const found: JobRecord[] = [];
  for (let from = 0; found.length < limit; from += PAGE) {
    const args = [state, from, PAGE, dueScore(now), key('')];
    const rows = (await client.call('EVAL', LIST, places.length, ...places, ...args)) as Row[];
    for (const row of rows) {
      if (row[2].length === 0) continue;
      const record = jobRecord(queue, state, row, now);
      const wanted = (name === undefined || record.name === name) && (record.finishedAt ?? now) > oldest;
      if (wanted) found.push(record);
    }
    if (rows.length < PAGE) break;
  }
  return found.slice(0, limit);
}

/** Figures of every queue. */
export function queueCounts(store: Store, keep: KeepPolicy): Promise<readonly QueueCounts[]> {
  return store.run(async (access) => {
    const names = await store.names(access);
    return Promise.all(names.map((name) => countsOf(store, access, name, keep)));
  });
}

async function countsOf(
  store: Store,
  { client }: Access,
  queue: string,
  keep: KeepPolicy,
): Promise<QueueCounts> {
  const { key } = store.keys(queue);
  const now = Date.now();
  const places = ['wait', 'prioritized', 'delayed', 'active', 'completed', 'failed', 'meta'].map(key);
  const args = [dueScore(now), now - keep.completed.age, now - keep.dead.age, key(''), now - 60_000];
  const reply = (await client.call('EVAL', STATS, places.length, ...places, ...args)) as (number | string)[];
  const [waiting = 0, delayed = 0, active = 0, completed = 0, dead = 0, paused = 0, since = 0, ...ended] =
    reply.map(Number);
  const oldest = waiting > 0 && since > 0 ? Math.max(0, now - since) : 0;
  const pace = ([kept = 0, lastMinute = 0, first = 0]: number[], retention: Retention): number =>
    perMinute({ kept, lastMinute, oldest: first }, retention, now);
  const throughput = pace(ended.slice(0, 3), keep.completed) + pace(ended.slice(3), keep.dead);
  return { queue, waiting, delayed, active, completed, dead, oldest, throughput, paused: paused === 1 };
}
