import { toMs } from '@vibeonrails/infra-core';
import { isDuration } from '../definitions.ts';
import { JOB_STATES, type JobState } from '../driver.ts';
import { QueueOptionError } from '../errors.ts';
import type { DeadFilter, JobFilter, JobView } from '../inspection.ts';
import type { Queue } from '../queue.ts';
import { quoted, UsageError } from './usage.ts';

/** What was said on the command line. */
export interface Said {
  readonly command: string;
  /** What follows the command. */
  readonly words: readonly string[];
  readonly queue?: string | undefined;
  readonly job?: string | undefined;
  readonly state?: string | undefined;
  readonly since?: string | undefined;
  readonly limit?: string | undefined;
  readonly all?: boolean | undefined;
  readonly payload?: boolean | undefined;
}

/** The jobs that are asked for. @throws `E_QUEUE_OPTION` */
export function filterOf({ command, queue, job, state, limit }: Said): JobFilter {
  const states = `one of ${JOB_STATES.join(', ')}`;
  must(state === undefined || JOB_STATES.includes(state as JobState), command, '--state', states);
  must(limit === undefined || /^[1-9]\d{0,5}$/.test(limit), command, '--limit', 'a whole number over 0');
  return {
    ...where(queue, job),
    ...(state === undefined ? {} : { state: state as JobState }),
    ...(limit === undefined ? {} : { limit: Number(limit) }),
  };
}

/** Which dead jobs are meant. All of them have to be asked for. @throws `E_QUEUE_USAGE`, `E_QUEUE_OPTION` */
export function deadOf(said: Said): DeadFilter {
  const { command, words, queue, job, all } = said;
  const some = words.length > 0 || [queue, job, said.since].some((option) => option !== undefined);
  const choice = 'ids, or --queue, --job and --since for some dead jobs, or --all for every one';
  if (!some && !all) throw new UsageError(`infra-queue ${command} needs ${choice}.`);
  if (some && all) throw new UsageError(`infra-queue ${command} takes ${choice}, not both.`);
  const since = sinceOf(said);
  return {
    ...(words.length > 0 ? { ids: words } : {}),
    ...where(queue, job),
    ...(since === undefined ? {} : { since }),
  };
}

/** The time that `--since` names. @throws `E_QUEUE_OPTION` */
export function sinceOf({ command, since }: Said): Date | undefined {
  if (since === undefined) return undefined;
  must(isDuration(since as '1h'), command, '--since', "a duration such as '1h'");
  return new Date(Date.now() - toMs(since as '1h'));
}

const PAGE = 500;

/** Dead jobs one after the other, newest first. */
export async function* deadJobs(
  queue: Queue,
  { ids: _ids, since, ...filter }: DeadFilter,
): AsyncGenerator<JobView> {
  for (let offset = 0; ; offset += PAGE) {
    const page = await queue.dead({ ...filter, limit: PAGE, offset });
    for (const job of page) if (!since || (job.finishedAt?.getTime() ?? 0) >= since.getTime()) yield job;
    if (page.length < PAGE) return;
  }
}

/** Those of the ids that no dead job has. */
export async function idsNotDead(queue: Queue, filter: DeadFilter): Promise<string[]> {
  const missing = new Set(filter.ids);
  if (missing.size > 0)
    for await (const { id } of deadJobs(queue, filter)) if (missing.delete(id) && missing.size === 0) break;
  return [...missing];
}

/** Refuses queues that are not there: a typing error would be told a success. @throws `E_QUEUE_USAGE` */
export async function assertQueues(queue: Queue, wanted: readonly string[]): Promise<void> {
  if (wanted.length === 0) return;
  const { queues } = await queue.stats();
  const missing = wanted.filter((name) => !Object.hasOwn(queues, name));
  if (missing.length === 0) return;
  const there = Object.keys(queues);
  throw new UsageError(
    `There is no queue called ${quoted(missing)}.`,
    there.length > 0 ? `There are: ${there.join(', ')}.` : 'There is none yet: no job has been enqueued.',
  );
}

const where = (queue: string | undefined, job: string | undefined): { queue?: string; job?: string } => ({
  ...(queue === undefined ? {} : { queue }),
  ...(job === undefined ? {} : { job }),
});

function must(holds: boolean, command: string, option: string, form: string): void {
  if (!holds) throw new QueueOptionError(`infra-queue ${command}`, option, form);
}
