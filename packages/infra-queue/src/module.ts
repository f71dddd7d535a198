import { defineModule, type HealthCheck, type ModuleHandle, type Schema, type SchemaInput } from './core.ts';
import type { CancelResult } from './driver.ts';
import type {
  ChainJob,
  ChainOptions,
  ChainSteps,
  Enqueued,
  EnqueuedChain,
  EnqueueManyOptions,
  EnqueueOptions,
  EnqueueOutcome,
} from './enqueue.ts';
import type { CronView } from './inspection.ts';
import type { Job } from './job.ts';
import { createQueue, passedOn, type Queue, type QueueOptions } from './queue.ts';
import type { Worker } from './worker.ts';
import type { WorkerOptions } from './worker-options.ts';

/** The version in package.json. */
export const VERSION = '1.0.0';

/** The default queue of this process. */
export const handle: ModuleHandle<Queue, QueueOptions> = defineModule<Queue, QueueOptions>({
  module: 'queue',
  package: '@vibeonrails/infra-queue',
  version: VERSION,
  contract: 1,
  create: (options) => createQueue(options),
  healthCheck: (queue) => queue.health(),
});

const it = (): Queue => handle.instance();

/** The default queue, made from the environment at first use. */
export const queue: Queue = {
  get driver() {
    return it().driver;
  },
  close: async () => it().close(),
  ...passedOn(it),
};

/**
 * Stores a job for a worker to run, on the default queue.
 *
 * ```ts
 * await enqueue(sendEmail, { to: 'user@example.com', template: 'welcome' }, { delay: '5m' });
 * ```
 *
 * @throws `E_QUEUE_PAYLOAD`, `E_QUEUE_PAYLOAD_SIZE`, `E_QUEUE_OPTION`; `E_QUEUE_DRIVER_REQUIRED` in production with no driver chosen.
 */
export async function enqueue<S extends Schema>(
  job: Job<S>,
  payload: SchemaInput<S>,
  options?: EnqueueOptions<SchemaInput<S>>,
): Promise<Enqueued> {
  return it().enqueue(job, payload, options);
}

/** Stores a job for each payload, on the default queue, and says in their order what became of each. */
export async function enqueueMany<S extends Schema>(
  job: Job<S>,
  payloads: readonly SchemaInput<S>[],
  options?: EnqueueManyOptions,
): Promise<EnqueueOutcome[]> {
  return it().enqueueMany(job, payloads, options);
}

/**
 * Stores jobs that run one after the other, on the default queue. See {@link Queue.runChain}.
 *
 * ```ts
 * await runChain([[resize, { file }], [notify, { to: 'user@example.com' }]]);
 * ```
 */
export async function runChain<const J extends readonly ChainJob[]>(
  steps: ChainSteps<J>,
  options?: ChainOptions,
): Promise<EnqueuedChain> {
  return it().runChain(steps, options);
}

/** Cancels a job of the default queue, before it runs or while it does. See {@link Queue.cancelJob}. */
export async function cancelJob(id: string): Promise<CancelResult> {
  return it().cancelJob(id);
}

/** Starts to run the jobs and crons of the default queue in this process. */
export async function startWorker(options?: WorkerOptions): Promise<Worker> {
  return it().startWorker(options);
}

/** Every cron that is defined here or stored in the default queue, by name, with its next run. */
export async function crons(): Promise<CronView[]> {
  return it().crons();
}

/**
 * Makes the default queue from `options`, before its first use.
 *
 * @throws {@link AlreadyConfiguredError} `E_QUEUE_CONFIGURED` when it is in use, unless `replace` is true.
 */
export function configureQueue(options: QueueOptions & { replace?: boolean }): Queue {
  return handle.configure(options);
}

/** Checks the default queue: reads its figures from the store. For `registerHealthCheck('queue', queueHealthCheck())`. */
export function queueHealthCheck(): HealthCheck {
  return handle.healthCheck;
}
