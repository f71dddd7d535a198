import type { JobsOptions, Queue } from 'bullmq';
import type { Added, NewJob, Priority } from '../../driver.ts';
import { unmarkArguments } from './keys.ts';
import { MAKE_ROOM, UNMARK } from './scripts.ts';
import type { Access, Store } from './store.ts';

/** All of ours have one: BullMQ runs jobs without a priority before those with any. */
export const PRIORITY_NUMBERS: Record<Priority, number> = { high: 1, normal: 2, low: 3 };

/** The part of BullMQ's transactions that is used here. */
interface Transaction {
  exists(key: string): unknown;
  eval(script: string, keys: number, ...args: (string | number)[]): unknown;
  exec(): Promise<[Error | null, unknown][] | null>;
}

/** What travels in a job's options beside BullMQ's own. */
export interface OurOptions {
  /** The time of the tick that made it. */
  readonly tick?: number;
}

/** Stores jobs of any queues. */
async function addJobs(store: Store, jobs: readonly NewJob[]): Promise<readonly Added[]> {
  const added = new Map<NewJob, Added>();
  await store.run(async (access) => {
    for (const [queue, group] of byQueue(jobs)) {
      await store.note(access, queue);
      const results = await addToQueue(store, access, queue, group);
      group.forEach((job, i) => {
        added.set(job, results[i] as Added);
      });
    }
  });
  return jobs.map((job) => added.get(job) as Added);
}

const MOST_AT_ONCE = 500;

/** Jobs of one queue that are stored together, and what came of them. */
interface Batch {
  readonly jobs: NewJob[];
  readonly added: Promise<readonly Added[]>;
}

/**
 * {@link addJobs} for calls of one job each: those of one queue and one turn of the event loop share a transaction. Those
 * of another queue do not, because in a cluster its master may be the one that is gone.
 */
export function addTogether(store: Store): (jobs: readonly NewJob[]) => Promise<readonly Added[]> {
  const open = new Map<string, Batch>();
  const start = (queue: string): Batch => {
    const jobs: NewJob[] = [];
    const added = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      if (open.get(queue)?.jobs === jobs) open.delete(queue);
      return addJobs(store, jobs);
    });
    const batch = { jobs, added };
    open.set(queue, batch);
    return batch;
  };
  return async (jobs) => {
    const [job] = jobs;
    if (!job || jobs.length > 1) return addJobs(store, jobs);
    const waiting = open.get(job.queue);
    const batch = waiting && waiting.jobs.length < MOST_AT_ONCE ? waiting : start(job.queue);
    const at = batch.jobs.push(job) - 1;
    return [(await batch.added)[at] as Added];
  };
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
 * Stores jobs of one queue in one transaction. BullMQ does not say when an id is there already, so each job is looked
 * for just before. `also` adds commands at the end.
 */
export async function addToQueue(
  store: Store,
  access: Access,
  name: string,
  jobs: readonly NewJob[],
  also?: (transaction: Transaction) => void,
): Promise<Added[]> {
  const queue = access.queue(name);
  const { key } = store.keys(name);
  const backend = queue.getBackend();
  const client = await backend.client;
  const transaction = client.multi();
  const plain = transaction as unknown as Transaction;
  const prepared = jobs.map((job) => bullmqJob(access, queue, job));
  plain.eval(UNMARK, ...unmarkArguments(store.keys(name)), ...jobs.map(({ id }) => id));
  for (const [i, job] of jobs.entries()) {
    plain.exists(key(job.id));
    if (mayReplace(job)) plain.eval(MAKE_ROOM, ...roomArguments(job, key));
    await backend.addJobToTransaction(transaction, prepared[i] as never, job.id, {});
  }
  also?.(plain);
  const replies = (await plain.exec()) ?? [];
  let next = 0;
  const read = (): [Error | null, unknown] =>
    replies[next++] ?? [new Error('the transaction was dropped'), null];
  const results: Added[] = [];
  reply(read());
  for (const [i, job] of jobs.entries()) {
    const existed = reply(read());
    const room = mayReplace(job) ? Number(reply(read())) : 0;
    const [error, stored] = read();
    // A server that was restarted has forgotten the scripts; alone, a job brings its script along.
    if (error && !/^NOSCRIPT/.test(error.message)) throw error;
    const id = String(error ? await backend.addJob(prepared[i] as never, job.id, {}) : stored);
    const kept = room > 1 && id !== job.id;
    if (existed === 1 || room === 4 || (id !== job.id && !kept))
      results.push({ id: room === 4 ? job.id : id, status: 'duplicate' });
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

/** A job in the form in which BullMQ stores it, the payload as its plain data. */
function bullmqJob({ bullmq }: Access, queue: Queue, job: NewJob): object {
  const { id, name, payload, meta, priority, attempts, delay, unique, tick } = job;
  const options: JobsOptions & OurOptions = {
    jobId: id,
    attempts,
    delay,
    priority: PRIORITY_NUMBERS[priority],
    // For a worker that is not ours: ours decides on each failure.
    backoff: { type: 'exponential', delay: 1000 },
    ...(Object.keys(meta).length > 0 ? { telemetry: { metadata: JSON.stringify(meta) } } : {}),
    ...(unique ? { deduplication: deduplication(unique) } : {}),
    ...(tick === undefined ? {} : { tick }),
  };
  return { ...new bullmq.Job(queue, name, null, options, id).asJSON(), data: payload };
}

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
