import { type Duration, toMs } from '@vibeonrails/infra-core';
import { CRON_QUEUE, isDuration, isQueueName, QUEUE_FORM } from './definitions.ts';
import { QueueOptionError } from './errors.ts';

/** How a worker runs. */
export interface WorkerOptions {
  /** How many handlers run at once, on each queue. @default 10 */
  concurrency?: number;
  /** The queues it serves: names, or names with the handlers each may run at once. @default those of all defined jobs */
  queues?: readonly string[] | Readonly<Record<string, number>>;
  /** Whether it also schedules and runs the defined crons. @default true */
  crons?: boolean;
  /** How long `stop()` lets handlers finish before it aborts their signals. @default '20s' */
  grace?: Duration;
  /** Shut the process down in order on SIGTERM and SIGINT. For a process without `boot()`. @default false */
  signals?: boolean;
}

/** {@link WorkerOptions} with every default filled in; durations in milliseconds. */
export interface CheckedOptions {
  readonly concurrency: number;
  readonly queues: Map<string, number> | undefined;
  readonly crons: boolean;
  readonly grace: number;
}

/** Checks how a worker is to run. @throws {@link QueueOptionError} `E_QUEUE_OPTION` */
export function checked(options: WorkerOptions): CheckedOptions {
  const { concurrency = 10, queues, crons = true, grace = '20s' } = options;
  const must = (holds: boolean, option: string, form: string): void => {
    if (!holds) throw new QueueOptionError('startWorker()', option, form);
  };
  const isCount = (value: number): boolean => Number.isInteger(value) && value > 0;
  must(isCount(concurrency), 'concurrency', 'a whole number over 0');
  must(isDuration(grace), 'grace', "a duration such as '20s'");
  const pairs = isList(queues)
    ? queues.map((queue) => [queue, concurrency] as const)
    : Object.entries(queues ?? {});
  for (const [queue, slots] of pairs) {
    must(isQueueName(queue), 'queues', `made of names: ${QUEUE_FORM}`);
    must(queue !== CRON_QUEUE, 'queues', `without "${CRON_QUEUE}": \`crons\` says whether crons run`);
    must(isCount(slots), `queues.${queue}`, 'a whole number over 0');
  }
  return { concurrency, queues: queues && new Map(pairs), crons, grace: toMs(grace) };
}

const isList = (value: WorkerOptions['queues']): value is readonly string[] => Array.isArray(value);
