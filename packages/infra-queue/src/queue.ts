import {
  type Clock,
  chooseDriver,
  type Duration,
  type Env,
  type HealthResult,
  type Logger,
  logger,
  type ModuleInstance,
  onShutdown,
  operation,
  type Schema,
  type SchemaInput,
  systemClock,
  toMs,
} from '@vibeonrails/infra-core';
import { isDuration, isPrefix, PREFIX_FORM } from './checks.ts';
import { config, type QueueDriverName } from './config.ts';
import type { CancelResult, KeepPolicy, QueueDriver, Retention } from './driver.ts';
import type { QueueRedisOptions } from './drivers/bullmq/redis-options.ts';
import { bullmqDriver } from './drivers/bullmq.ts';
import { memoryDriver } from './drivers/memory.ts';
import {
  type Enqueued,
  type EnqueueManyOptions,
  type EnqueueOptions,
  type EnqueueOutcome,
  prepareJob,
} from './enqueue.ts';
import { QueueClosedError, QueueOptionError } from './errors.ts';
import { type Inspection, inspection, statsOf } from './inspection.ts';
import type { Job } from './job.ts';
import { runWorker, type Worker, type WorkerOptions } from './worker.ts';

/** How long ended jobs are kept: the newest `count` of each queue, and none older than `age`. */
export interface KeepOptions {
  /** @default { count: 1000, age: '1d' } */
  completed?: { count: number; age: Duration };
  /** @default { count: 10_000, age: '14d' } */
  dead?: { count: number; age: Duration };
}

/** How a queue is made. */
export interface QueueOptions {
  /**
   * A driver by name, or one of your own.
   *
   * @default QUEUE_DRIVER, else bullmq when QUEUE_REDIS_URL or REDIS_URL is set, else memory; refused in production when nothing is chosen
   */
  driver?: QueueDriverName | QueueDriver;
  /** Where Redis is: `url` with `tls`, or a `client` of your own. Chooses bullmq. @default QUEUE_REDIS_URL, else REDIS_URL */
  redis?: QueueRedisOptions;
  /** What the keys in Redis start with: `{infra-<queue>}:…`. @default QUEUE_PREFIX, else 'infra' */
  prefix?: string;
  /** How long a call may wait for the store (bullmq). @default '5s' */
  timeout?: Duration;
  /** How long ended jobs are kept. */
  keep?: KeepOptions;
  /** @default the machine's clock */
  clock?: Clock;
  /** @default the process's logger */
  logger?: Logger;
  /** A number from 0 to 1, for the jitter between attempts. @default Math.random */
  random?: () => number;
  /** @default process.env */
  env?: Env;
}

/** A queue: jobs go in by `enqueue`, and come out to the handlers of a worker, at least once each. */
export interface Queue extends ModuleInstance, Inspection {
  /** Its driver's name: `memory` or `bullmq`. */
  readonly driver: string;
  /** Its figures, from a round trip to the store; `degraded` with what to do when the store may lose jobs. */
  health(): Promise<HealthResult>;
  /**
   * Stores a job for a worker to run.
   *
   * @throws `E_QUEUE_PAYLOAD`, `E_QUEUE_PAYLOAD_SIZE` or `E_QUEUE_OPTION`; `E_QUEUE_UNAVAILABLE` when the store does not
   * answer: whether the job is stored is then unknown, and enqueuing it again under the same `id` is safe.
   */
  enqueue<S extends Schema>(
    job: Job<S>,
    payload: SchemaInput<S>,
    options?: EnqueueOptions<SchemaInput<S>>,
  ): Promise<Enqueued>;
  /** Stores a job for each payload, and says in their order what became of each. One that is refused leaves the others alone. */
  enqueueMany<S extends Schema>(
    job: Job<S>,
    payloads: readonly SchemaInput<S>[],
    options?: EnqueueManyOptions,
  ): Promise<EnqueueOutcome[]>;
  /**
   * Cancels a job: `removed` before it ran; `signalled` while it runs, its `ctx.signal` aborts, and if the handler then
   * fails the job is over; `unknown` when it has ended or never was.
   */
  cancelJob(id: string): Promise<CancelResult>;
  /** Starts to run jobs and crons in this process. @throws `E_QUEUE_OPTION` */
  startWorker(options?: WorkerOptions): Promise<Worker>;
}

const enqueueing = operation('queue.enqueue');
const CHUNK = 500;
/** Jobs that wait this long without any worker in the process are worth a word. */
const WARN_AFTER = 2000;

/**
 * Makes a queue of its own, independent of the default one. Jobs and crons are defined for the process, so any queue can run them.
 *
 * @throws {@link DriverRequiredError} `E_QUEUE_DRIVER_REQUIRED` with `NODE_ENV=production` and no driver chosen.
 */
export function createQueue(options: QueueOptions = {}): Queue {
  return makeQueue(options, true);
}

/** {@link createQueue}, with a word on whether its workers keep the process alive. */
export function makeQueue(options: QueueOptions, keepAlive: boolean): Queue {
  const { clock = systemClock, random = Math.random } = options;
  const log = (options.logger ?? logger).child({ module: 'queue' });
  const driver = makeDriver(options, clock, log);
  const workers = new Set<Worker>();
  let closed: Promise<void> | undefined;
  const forgetHook = onShutdown('queue', () => queue.close());
  const assertOpen = (): void => {
    if (closed) throw new QueueClosedError();
  };
  const assertJob = (call: string, job: Partial<Job> | undefined): void => {
    assertOpen();
    // Two modules that import each other see each other's constants as undefined for a while.
    if (!job?.schema) throw new QueueOptionError(call, 'job', 'what defineJob() returned');
  };

  const queue: Queue = {
    driver: driver.name,
    ready: () => driver.ready(),
    async health() {
      assertOpen();
      const [counts, message] = await Promise.all([driver.stats(), driver.warning()]);
      const { queues: _, ...figures } = statsOf(counts);
      const data = { driver: driver.name, ...figures };
      return message === undefined ? { status: 'ok', data } : { status: 'degraded', message, data };
    },
    close() {
      closed ??= (async () => {
        forgetHook();
        await Promise.all([...workers].map((worker) => worker.stop()));
        await driver.close();
      })();
      return closed;
    },
    async enqueue(job, payload, enqueueOptions = {}) {
      assertJob('enqueue()', job);
      return enqueueing.trace(
        async () => {
          const prepared = await prepareJob(job, payload, enqueueOptions, clock);
          const [added] = await driver.add([prepared]);
          return added as Enqueued;
        },
        { job: job.name, queue: job.queue, driver: driver.name },
      );
    },
    async enqueueMany(job, payloads, manyOptions = {}) {
      assertJob('enqueueMany()', job);
      const { delay, at, priority } = manyOptions;
      const shared = definedOnly({ delay, at, priority });
      return enqueueing.trace(
        async () => {
          const outcomes: EnqueueOutcome[] = [];
          for (let from = 0; from < payloads.length; from += CHUNK)
            outcomes.push(...(await addChunk(job, payloads.slice(from, from + CHUNK), shared)));
          return outcomes;
        },
        { job: job.name, queue: job.queue, driver: driver.name },
      );
    },
    async cancelJob(id) {
      assertOpen();
      return driver.cancel(id);
    },
    async startWorker(workerOptions = {}) {
      assertOpen();
      await driver.ready();
      const worker = await runWorker(workerOptions, {
        ...{ driver, clock, log, random, keepAlive },
        stopped: (stopped) => workers.delete(stopped),
      });
      workers.add(worker);
      if (closed) await worker.stop();
      assertOpen();
      return worker;
    },
    ...inspection(driver, clock, assertOpen),
  };

  async function addChunk<S extends Schema>(
    job: Job<S>,
    payloads: readonly SchemaInput<S>[],
    shared: EnqueueOptions,
  ): Promise<EnqueueOutcome[]> {
    const failed = (thrown: unknown): EnqueueOutcome => ({ status: 'failed', error: thrown as Error });
    const prepared = await Promise.all(
      payloads.map((payload) => prepareJob(job, payload, shared, clock).catch(failed)),
    );
    const good = prepared.filter((item) => 'payload' in item);
    const added: readonly EnqueueOutcome[] =
      good.length === 0
        ? []
        : await driver.add(good).catch((thrown: unknown) => good.map(() => failed(thrown)));
    const next = added.values();
    return prepared.map((item) => ('payload' in item ? (next.next().value as EnqueueOutcome) : item));
  }
  return queue;
}

/** The fields that are there: an absent option and one that is `undefined` are the same to a caller. */
const definedOnly = <T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;

function makeDriver(options: QueueOptions, clock: Clock, log: Logger): QueueDriver {
  if (typeof options.driver === 'object') return options.driver;
  const { redis, timeout = '5s', env = process.env } = options;
  // With the address given in code, none is missed among the variables.
  const values = config.read(redis ? { ...env, QUEUE_DRIVER: undefined, QUEUE_REDIS_URL: undefined } : env);
  const { prefix = values.QUEUE_PREFIX } = options;
  const name = chooseDriver({
    module: 'queue',
    option: options.driver ?? (redis && 'bullmq'),
    variable: values.QUEUE_DRIVER,
    present: { bullmq: values.QUEUE_REDIS_URL !== undefined },
    embedded: 'memory',
    inProduction: 'refuse',
    help: 'Jobs in memory are lost when the process ends. Set REDIS_URL or QUEUE_REDIS_URL, or QUEUE_DRIVER=memory to say that is meant.',
    env,
  });
  const must = (holds: boolean, option: string, form: string): void => {
    if (!holds) throw new QueueOptionError('createQueue()', option, form);
  };
  must(name === 'memory' || name === 'bullmq', 'driver', 'memory, bullmq, or a driver of your own');
  must(isPrefix(prefix), 'prefix', PREFIX_FORM);
  must(isDuration(timeout) && toMs(timeout) > 0, 'timeout', "a duration such as '5s'");
  const keep = keepPolicy(options.keep);
  if (name === 'memory') return memoryDriver({ clock, log, keep, warnAfter: WARN_AFTER });
  return bullmqDriver({ redis: { ...redis, env }, prefix, timeout: toMs(timeout), clock, log, keep });
}

function keepPolicy(keep: KeepOptions = {}): KeepPolicy {
  const retention = (end: 'completed' | 'dead', fallback: { count: number; age: Duration }): Retention => {
    const { count, age } = keep[end] ?? fallback;
    if (!Number.isInteger(count) || count < 0)
      throw new QueueOptionError('createQueue()', `keep.${end}.count`, 'a whole number of 0 or more');
    return { count, age: toMs(age) };
  };
  return {
    completed: retention('completed', { count: 1000, age: '1d' }),
    dead: retention('dead', { count: 10_000, age: '14d' }),
  };
}
