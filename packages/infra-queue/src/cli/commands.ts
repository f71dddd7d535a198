import { toMs } from '@vibeonrails/infra-core';
import { isDuration } from '../definitions.ts';
import { JOB_STATES, type JobState } from '../driver.ts';
import { QueueOptionError } from '../errors.ts';
import type { DeadFilter, JobFilter, JobView } from '../inspection.ts';
import type { Queue } from '../queue.ts';
import { span, table } from './table.ts';

/** What was said on the command line after the command. */
interface Said {
  readonly words: readonly string[];
  readonly queue?: string | undefined;
  readonly job?: string | undefined;
  readonly state?: string | undefined;
  readonly since?: string | undefined;
  readonly limit?: string | undefined;
  readonly all?: boolean | undefined;
  readonly payload?: boolean | undefined;
}

/** What a command has to tell: as data for `--json`, and as text. */
interface Told {
  readonly data: unknown;
  readonly text: string;
}

/** A command that looks into the queue or sets things right. */
export type Command = (queue: Queue, said: Said) => Promise<Told>;

/** Those commands, by name. */
export const commands: Readonly<Record<string, Command>> = {
  async stats(queue) {
    const data = await queue.stats();
    const titles = ['queue', 'waiting', 'delayed', 'active', 'completed', 'dead', 'oldest', 'per minute', ''];
    const rows = Object.entries(data.queues).map(([name, of]) => [
      ...[name, of.waiting, of.delayed, of.active, of.completed, of.dead],
      ...[span(of.oldest), of.throughput, of.paused ? 'paused' : ''],
    ]);
    return { data, text: rows.length > 0 ? table(titles, rows) : 'no queue has held a job' };
  },
  list: async (queue, said) => listed(await queue.jobs(filterOf(said)), said),
  dead: async (queue, said) => listed(await queue.dead(filterOf(said)), said),
  async retry(queue, said) {
    const retried = await queue.retryDead(deadOf('retry', said));
    return { data: { retried }, text: `${count(retried)} will run again` };
  },
  async discard(queue, said) {
    const discarded = await queue.discardDead(deadOf('discard', said));
    return { data: { discarded }, text: `${count(discarded)} forgotten` };
  },
  async cancel(queue, { words }) {
    const results = await Promise.all(words.map(async (id) => [id, await queue.cancelJob(id)] as const));
    return { data: Object.fromEntries(results), text: table(['job', 'result'], results) };
  },
  async pause(queue, { words }) {
    for (const name of words.length > 0 ? words : [undefined]) await queue.pause(name);
    return { data: { paused: words }, text: `paused: ${words.join(', ') || 'every queue'}` };
  },
  async resume(queue, { words }) {
    for (const name of words.length > 0 ? words : [undefined]) await queue.resume(name);
    return { data: { resumed: words }, text: `resumed: ${words.join(', ') || 'every queue'}` };
  },
  async crons(queue) {
    const data = await queue.crons();
    const rows = data.map(({ name, schedule, timezone, next }) => [name, schedule, timezone, next]);
    return { data, text: rows.length > 0 ? table(['cron', 'schedule', 'zone', 'next'], rows) : 'no crons' };
  },
};

const count = (jobs: number): string => (jobs === 1 ? '1 job' : `${jobs} jobs`);

function listed(jobs: readonly JobView[], { payload }: Said): Told {
  const data = jobs.map((job) => (payload ? job : { ...job, payload: undefined }));
  const titles = ['id', 'job', 'queue', 'state', 'attempts', 'since', 'failure'];
  const rows = jobs.map((job) => [
    ...[job.id, job.name, job.queue, job.state, job.attemptsMade],
    ...[job.finishedAt ?? job.startedAt ?? job.addedAt, job.failure?.message],
    ...(payload ? [JSON.stringify(job.payload)] : []),
  ]);
  if (rows.length === 0) return { data, text: 'no jobs' };
  return { data, text: table(payload ? [...titles, 'payload'] : titles, rows) };
}

function must(holds: boolean, command: string, option: string, form: string): void {
  if (!holds) throw new QueueOptionError(`infra-queue ${command}`, option, form);
}

function filterOf({ queue, job, state, limit }: Said): JobFilter {
  must(
    state === undefined || JOB_STATES.includes(state as JobState),
    'list',
    '--state',
    `one of ${JOB_STATES.join(', ')}`,
  );
  must(limit === undefined || /^[1-9]\d{0,5}$/.test(limit), 'list', '--limit', 'a whole number over 0');
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(job === undefined ? {} : { job }),
    ...(state === undefined ? {} : { state: state as JobState }),
    ...(limit === undefined ? {} : { limit: Number(limit) }),
  };
}

/** Which dead jobs are meant. All of them have to be asked for. */
function deadOf(command: string, { words, queue, job, since, all }: Said): DeadFilter {
  const some = words.length > 0 || queue !== undefined || job !== undefined || since !== undefined;
  must(some !== (all === true), command, '--all', 'given for all dead jobs, and ids or a filter for some');
  must(since === undefined || isDuration(since as '1h'), command, '--since', "a duration such as '1h'");
  return {
    ...(words.length > 0 ? { ids: words } : {}),
    ...(queue === undefined ? {} : { queue }),
    ...(job === undefined ? {} : { job }),
    ...(since === undefined ? {} : { since: new Date(Date.now() - toMs(since as '1h')) }),
  };
}
