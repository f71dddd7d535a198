import { config, type QueueDriverName } from './config.ts';
import {
  type Clock,
  chooseDriver,
  type Duration,
  type Env,
  type HealthResult,
  type Logger,
  logger,
  type ModuleInstance,
  messageOf,
  onShutdown,
  type Schema,
  type SchemaInput,
  systemClock,
  toMs,
} from './core.ts';
import { isDuration, isPrefix, PREFIX_FORM } from './definitions.ts';
import type { CancelResult, KeepPolicy, QueueDriver, Retention } from './driver.ts';
import type { QueueRedisOptions } from './drivers/bullmq/redis-options.ts';
import type { ChosenDriver, Engine, QueueSettings } from './engine.ts';
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
import { QueueClosedError, QueueOptionError, QueueUnavailableError } from './errors.ts';
import type { Inspection } from './inspection.ts';
import type { Job } from './job.ts';
import type { Worker } from './worker.ts';
import type { WorkerOptions } from './worker-options.ts';

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

/** What can be asked of a queue. */
export interface QueueCalls extends Inspection {
  /** Resolves when its driver is loaded and connected; rejects with a coded error when it never will be. */
  ready(): Promise<void>;
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
   * Stores jobs that run one after the other, each once the one before it is done: it waits while that is tried again, and
   * never runs when that is discarded, cancelled, or dead for good. Every payload is checked before anything is stored.
   *
   * @throws as `enqueue`; `E_QUEUE_OPTION` for a chain without steps.
   */
  runChain<const J extends readonly ChainJob[]>(
    steps: ChainSteps<J>,
    options?: ChainOptions,
  ): Promise<EnqueuedChain>;
  /**
   * Cancels a job: `removed` before it ran; `signalled` while it runs, its `ctx.signal` aborts, and if the handler then
   * fails the job is over; `unknown` when it has ended or never was.
   */
  cancelJob(id: string): Promise<CancelResult>;
  /** Starts to run jobs and crons in this process. @throws `E_QUEUE_OPTION` */
  startWorker(options?: WorkerOptions): Promise<Worker>;
}

/** A queue: jobs go in by `enqueue`, and come out to the handlers of a worker, at least once each. */
export interface Queue extends ModuleInstance, QueueCalls {
  /** Its driver's name: `memory` or `bullmq`. */
  readonly driver: string;
}

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
  const settings = settingsOf(options, keepAlive);
  let opened: Engine | undefined;
  let opening: Promise<Engine> | undefined;
  let closed: Promise<void> | undefined;
  const open = async (): Promise<Engine> => {
    try {
      opened = await load(settings);
      return opened;
    } catch (thrown) {
      opening = undefined;
      throw thrown;
    }
  };
  const engine = (): Engine | Promise<Engine> => {
    if (closed) throw new QueueClosedError();
    opening ??= open();
    return opened ?? opening;
  };
  const queue: Queue = {
    driver: settings.driver.name,
    ...passedOn(engine),
    close() {
      closed ??= (async () => {
        forgetHook();
        const last = await opening?.catch(() => undefined);
        await last?.close();
      })();
      return closed;
    },
  };
  const forgetHook = onShutdown('queue', () => queue.close());
  return queue;
}

async function load(settings: QueueSettings): Promise<Engine> {
  const { openEngine } = await import('./engine.ts').catch((thrown: unknown) => {
    throw new QueueUnavailableError(`its code does not load, ${messageOf(thrown)}`, thrown);
  });
  return openEngine(settings);
}

/** The calls of a queue, each passed on to what `target` gives at that moment: most of a queue loads at its first call. */
export function passedOn(target: () => QueueCalls | Promise<QueueCalls>): QueueCalls {
  const via = <T>(call: (queue: QueueCalls) => Promise<T>): Promise<T> => {
    try {
      const queue = target();
      return queue instanceof Promise ? queue.then(call) : call(queue);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  };
  return {
    ready: () => via((queue) => queue.ready()),
    health: () => via((queue) => queue.health()),
    enqueue: (job, payload, options) => via((queue) => queue.enqueue(job, payload, options)),
    enqueueMany: (job, payloads, options) => via((queue) => queue.enqueueMany(job, payloads, options)),
    runChain: (steps, options) => via((queue) => queue.runChain(steps, options)),
    cancelJob: (id) => via((queue) => queue.cancelJob(id)),
    startWorker: (options) => via((queue) => queue.startWorker(options)),
    stats: () => via((queue) => queue.stats()),
    job: (id) => via((queue) => queue.job(id)),
    jobs: (filter) => via((queue) => queue.jobs(filter)),
    dead: (filter) => via((queue) => queue.dead(filter)),
    retryDead: (filter) => via((queue) => queue.retryDead(filter)),
    discardDead: (filter) => via((queue) => queue.discardDead(filter)),
    pause: (name) => via((queue) => queue.pause(name)),
    resume: (name) => via((queue) => queue.resume(name)),
    crons: () => via((queue) => queue.crons()),
    removeCron: (name) => via((queue) => queue.removeCron(name)),
  };
}

function settingsOf(options: QueueOptions, keepAlive: boolean): QueueSettings {
  const { clock = systemClock, random = Math.random } = options;
  return {
    driver: typeof options.driver === 'object' ? options.driver : chosenDriver(options),
    keep: keepPolicy(options.keep),
    log: (options.logger ?? logger).child({ module: 'queue' }),
    ...{ clock, random, keepAlive },
  };
}

function chosenDriver(options: QueueOptions): ChosenDriver {
  const { redis, timeout = '5s', env = process.env } = options;
  // With the address given in code, none is missed among the variables.
  const values = config.read(
    redis ? { ...env, QUEUE_DRIVER: undefined, QUEUE_REDIS_URL: undefined, REDIS_URL: undefined } : env,
  );
  const { prefix = values.QUEUE_PREFIX } = options;
  const name = chooseDriver({
    module: 'queue',
    option: (options.driver as QueueDriverName | undefined) ?? (redis && 'bullmq'),
    variable: values.QUEUE_DRIVER,
    present: { bullmq: (values.QUEUE_REDIS_URL ?? values.REDIS_URL) !== undefined },
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
  return name === 'memory' ? { name } : { name, redis: { ...redis, env }, prefix, timeout: toMs(timeout) };
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
