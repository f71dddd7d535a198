import type { CronView, JobView } from '../inspection.ts';
import { statsOf } from '../inspection.ts';
import type { Queue } from '../queue.ts';
import { assertQueues, deadJobs, deadOf, filterOf, idsNotDead, type Said, sinceOf } from './filters.ts';
import { span, table } from './table.ts';
import { quoted, type Takes } from './usage.ts';

/** What a command has to tell: as data for `--json`, and as text. */
interface Told {
  readonly data: unknown;
  readonly text: string;
  /** What it could not do. */
  readonly problem?: string;
}

/** A command that looks into the queue or sets things right. */
export interface Command extends Takes {
  run(queue: Queue, said: Said): Promise<Told>;
}

const ids = (needed: boolean) => ({ what: 'id', needed });
const queueNames = { what: 'queue', needed: false };

/** Those commands, by name. */
export const commands: Readonly<Record<string, Command>> = {
  stats: { options: ['queue'], run: stats },
  list: {
    options: ['state', 'queue', 'job', 'limit', 'payload'],
    run: async (queue, said) => listed(await queue.jobs(filterOf(said)), said),
  },
  dead: {
    options: ['queue', 'job', 'since', 'limit', 'payload'],
    run: async (queue, said) => listed(await deadSince(queue, said), said),
  },
  retry: {
    options: ['queue', 'job', 'since', 'all'],
    words: ids(false),
    async run(queue, said) {
      const filter = deadOf(said);
      const unknown = await idsNotDead(queue, filter);
      const retried = await queue.retryDead(filter);
      return { data: { retried, unknown }, text: `${count(retried)} will run again`, ...notDead(unknown) };
    },
  },
  discard: {
    options: ['queue', 'job', 'since', 'all'],
    words: ids(false),
    async run(queue, said) {
      const filter = deadOf(said);
      const unknown = await idsNotDead(queue, filter);
      const discarded = await queue.discardDead(filter);
      return { data: { discarded, unknown }, text: `${count(discarded)} forgotten`, ...notDead(unknown) };
    },
  },
  cancel: {
    options: [],
    words: ids(true),
    async run(queue, { words }) {
      const results = await Promise.all(words.map(async (id) => [id, await queue.cancelJob(id)] as const));
      return { data: Object.fromEntries(results), text: table(['job', 'result'], results) };
    },
  },
  pause: {
    options: [],
    words: queueNames,
    async run(queue, { words }) {
      await assertQueues(queue, words);
      for (const name of words.length > 0 ? words : [undefined]) await queue.pause(name);
      return { data: { paused: words }, text: `paused: ${words.join(', ') || 'every queue'}` };
    },
  },
  resume: {
    options: [],
    words: queueNames,
    async run(queue, { words }) {
      await assertQueues(queue, words);
      for (const name of words.length > 0 ? words : [undefined]) await queue.resume(name);
      return { data: { resumed: words }, text: `resumed: ${words.join(', ') || 'every queue'}` };
    },
  },
  crons: { options: [], run: async (queue) => cronsTold(await queue.crons()) },
  'remove-cron': {
    options: [],
    words: { what: 'name', needed: true },
    async run(queue, { words }) {
      const removed: string[] = [];
      for (const name of words) if (await queue.removeCron(name)) removed.push(name);
      const unknown = words.filter((name) => !removed.includes(name));
      const text = `removed: ${removed.join(', ') || 'none'}`;
      if (unknown.length === 0) return { data: { removed, unknown }, text };
      const there = (await queue.crons()).map(({ name }) => name).join(', ');
      const problem = `No schedule is stored for ${quoted(unknown)}. ${there ? `There are: ${there}.` : 'There is none.'}`;
      return { data: { removed, unknown }, text, problem };
    },
  },
};

async function stats(queue: Queue, said: Said): Promise<Told> {
  const all = await queue.stats();
  const shown = Object.entries(all.queues).filter(
    ([name]) => said.queue === undefined || name === said.queue,
  );
  const data = said.queue === undefined ? all : statsOf(shown.map(([name, of]) => ({ queue: name, ...of })));
  const titles = ['queue', 'waiting', 'delayed', 'active', 'completed', 'dead', 'oldest', 'per minute', ''];
  const rows = shown.map(([name, of]) => [
    ...[name, of.waiting, of.delayed, of.active, of.completed, of.dead],
    ...[span(of.oldest), of.throughput, of.paused ? 'paused' : ''],
  ]);
  return { data, text: rows.length > 0 ? table(titles, rows) : 'no queue has held a job' };
}

async function deadSince(queue: Queue, said: Said): Promise<JobView[]> {
  const { limit = 100, ...filter } = filterOf(said);
  const since = sinceOf(said);
  if (since === undefined) return queue.dead({ ...filter, limit });
  const found: JobView[] = [];
  for await (const job of deadJobs(queue, { ...filter, since })) if (found.push(job) === limit) break;
  return found;
}

const count = (jobs: number): string => (jobs === 1 ? '1 job' : `${jobs} jobs`);

const notDead = (unknown: readonly string[]): Pick<Told, 'problem'> =>
  unknown.length === 0
    ? {}
    : { problem: `No dead job has the id ${quoted(unknown)}. \`infra-queue dead\` lists those there are.` };

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

/** A tick waits for a worker of its cron no longer than this. */
const OVERDUE_AFTER = 60_000;

/** Without `defined`, which would be about this process: it defines none. */
function cronsTold(crons: readonly CronView[]): Told {
  const data = crons.map(({ name, schedule, timezone, next }) => {
    const late = Date.now() - next.getTime();
    return { name, schedule, timezone, next, overdue: late > OVERDUE_AFTER ? late : 0 };
  });
  const rows = data.map(({ overdue, ...cron }) => [
    ...[cron.name, cron.schedule, cron.timezone, cron.next],
    overdue > 0 ? `overdue for ${span(overdue)}: no worker runs it` : '',
  ]);
  return { data, text: rows.length > 0 ? table(['cron', 'schedule', 'zone', 'next', ''], rows) : 'no crons' };
}
