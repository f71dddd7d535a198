import { parseArgs } from 'node:util';
import { isInfraError, logger, messageOf } from '@vibeonrails/infra-core';
import { commands } from './cli/commands.ts';
import { assertQueues } from './cli/filters.ts';
import { loadModule, WorkModuleError } from './cli/load.ts';
import { checkUse, type Takes, UsageError } from './cli/usage.ts';
import { registry } from './definitions.ts';
import { queue, VERSION } from './module.ts';
import type { WorkerOptions } from './worker-options.ts';

const HELP = `infra-queue: run and look after background jobs

  infra-queue work <module> ...   load modules that define jobs and crons, and run them
  infra-queue stats               how much is where, for each queue
  infra-queue list                jobs, active ones first
  infra-queue dead                jobs that used up their attempts, newest first
  infra-queue retry <id> ...      let dead jobs run again, with all their attempts
  infra-queue discard <id> ...    forget dead jobs
  infra-queue cancel <id> ...     take jobs out before they run, or abort those that do
  infra-queue pause [queue] ...   start no more jobs of these queues, or of all
  infra-queue resume [queue] ...  end that
  infra-queue crons               stored schedules, when they run next, and which no worker runs
  infra-queue remove-cron <name> ...
                                  forget schedules that no code defines any more, and their runs

  work      --concurrency <n>   handlers at once on each queue (10)
            --queues <a,b=5>    the queues to serve, with slots of their own (those of the defined jobs)
            --no-crons          leave crons to others
            --grace <time>      how long handlers may take to finish on SIGTERM (20s)
  list      --state <state>     active, waiting, delayed, dead or completed
  list, dead, retry, discard
            --queue <queue>  --job <name>
  stats     --queue <queue>
  list, dead  --limit <n> (100)  --payload
  dead, retry, discard  --since <time>
  retry, discard  --all
  all       --json  --help  --version

Redis is where QUEUE_REDIS_URL or REDIS_URL says.
`;

/** Where a command writes. */
export interface Output {
  out(text: string): unknown;
  err(text: string): unknown;
}

const streams: Output = {
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
};

/** Runs the command line: 0 when it worked, 1 when it failed, 2 when it makes no sense. */
export async function main(args: string[], output: Output = streams): Promise<number> {
  try {
    return await run(args, output);
  } catch (thrown) {
    output.err(`infra-queue: ${isInfraError(thrown) ? thrown.message : stackOf(thrown)}`);
    await queue.close().catch(() => undefined);
    return isInfraError(thrown, 'E_QUEUE_USAGE') || isInfraError(thrown, 'E_QUEUE_OPTION') ? 2 : 1;
  }
}

/** What a module of the application threw needs its stack. */
const stackOf = (thrown: unknown): string => (thrown instanceof Error && thrown.stack) || messageOf(thrown);

async function run(args: string[], output: Output): Promise<number> {
  const { values, positionals } = parsed(args);
  const [name, ...words] = positionals;
  if (values.version || values.help || name === undefined) {
    output.out(values.version ? VERSION : HELP.trimEnd());
    return 0;
  }
  if (name === 'work') return work(words, values, output);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw new UsageError(`There is no command called "${name}".`);
  checkUse(name, command, words, values);
  if (queue.driver === 'memory')
    throw new UsageError(
      'Jobs in memory live in the process that enqueued them: set REDIS_URL or QUEUE_REDIS_URL.',
    );
  // It says which server is away and why, where a call would say what to do about a job that may be stored.
  await queue.ready();
  if (values.queue !== undefined) await assertQueues(queue, [values.queue]);
  const { data, text, problem } = await command.run(queue, { command: name, words, ...values });
  output.out(values.json ? JSON.stringify(data, null, 2) : text);
  if (problem !== undefined) output.err(`infra-queue: ${problem}`);
  await queue.close();
  return problem === undefined ? 0 : 1;
}

const WORK: Takes = {
  options: ['concurrency', 'queues', 'no-crons', 'grace'],
  words: { what: 'module', needed: false },
};

type Values = ReturnType<typeof parsed>['values'];

function parsed(args: string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...{ help: { ...flag, short: 'h' }, version: flag, json: flag, all: flag, payload: flag },
        ...{ concurrency: text, queues: text, 'no-crons': flag, grace: text },
        ...{ state: text, queue: text, job: text, limit: text, since: text },
      },
    });
  } catch (thrown) {
    throw new UsageError(messageOf(thrown).replace(/\. To specify.*$/s, '.'));
  }
}

async function work(paths: readonly string[], values: Values, output: Output): Promise<number> {
  checkUse('work', WORK, paths, values);
  if (paths.length === 0) throw new UsageError('infra-queue work needs a module that defines jobs.');
  // So that jobs and the worker log in full.
  await import('@vibeonrails/infra-core/logging');
  for (const path of paths) await loadModule(path);
  const { jobs, crons } = registry();
  if (jobs.size + crons.size === 0)
    throw new WorkModuleError(
      paths.join(', '),
      'defines no job and no cron',
      'Name the modules that call defineJob() or defineCron(), or one that imports them.',
    );
  await queue.startWorker({ ...workerOptions(values), signals: true });
  const names = { jobs: [...jobs.keys()], crons: [...crons.keys()] };
  if (values.json) output.out(JSON.stringify({ worker: 'started', ...names }));
  else logger.info(names, 'the worker runs');
  return 0;
}

function workerOptions(values: Values): WorkerOptions {
  const { concurrency, queues, grace, 'no-crons': noCrons } = values;
  const slots = concurrency === undefined ? undefined : Number(concurrency);
  return {
    ...(slots === undefined ? {} : { concurrency: slots }),
    ...(queues === undefined ? {} : { queues: queuesOf(queues, slots ?? 10) }),
    ...(grace === undefined ? {} : { grace: grace as '20s' }),
    crons: noCrons !== true,
  };
}

/** `a,b=5` in the form of the worker's option. */
const queuesOf = (text: string, otherwise: number): Record<string, number> =>
  Object.fromEntries(
    text.split(',').map((part) => {
      const [name = '', slots] = part.split('=');
      return [name.trim(), slots === undefined ? otherwise : Number(slots)] as const;
    }),
  );
