import { randomUUID } from 'node:crypto';
import type { Clock } from '@vibeonrails/infra-core';
import type { DriverJob, NewJob } from './driver.ts';
import { type ChainOptions, prepareJob } from './enqueue.ts';
import type { Job } from './job.ts';

/** Where a job carries the steps that follow it, as JSON. */
const CHAIN_META = 'job-chain';

/** The steps of a chain, each payload and option checked, in the form of its first job, which carries the rest. */
export async function prepareChain(
  steps: readonly (readonly [Job, unknown])[],
  { id = randomUUID(), ...options }: ChainOptions,
  clock: Clock,
): Promise<{ first: NewJob; ids: string[] }> {
  const jobs = await Promise.all(
    steps.map(async ([job, payload], i) => {
      const own = { id: `${id}.${i + 1}`, ...(i === 0 ? options : {}) };
      // Held back by a key, a step would end its chain.
      const { unique: _, ...prepared } = await prepareJob(job, payload, own, clock);
      return prepared;
    }),
  );
  return { first: carrying(jobs), ids: jobs.map((job) => job.id) };
}

function carrying([first, ...rest]: readonly NewJob[]): NewJob {
  if (!first) throw new RangeError('a chain without steps');
  if (rest.length === 0) return first;
  return { ...first, meta: { ...first.meta, [CHAIN_META]: JSON.stringify(rest) } };
}

/** The job that follows one that is done; `undefined` when it is the last, or in no chain. */
export function followingJob({ meta }: DriverJob): NewJob | undefined {
  const rest = meta[CHAIN_META];
  return rest === undefined ? undefined : carrying(JSON.parse(rest) as NewJob[]);
}
