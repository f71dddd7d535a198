import {
  type Clock,
  type Env,
  type Logger,
  operation,
  type Schema,
  type SchemaInput,
} from '@vibeonrails/infra-core';
import { prepareChain } from './chain.ts';
import type { KeepPolicy, NewJob, QueueDriver } from './driver.ts';
import type { QueueRedisOptions } from './drivers/bullmq/redis-options.ts';
import { DEFAULTS, type Enqueued, type EnqueueOptions, type EnqueueOutcome, prepareJob } from './enqueue.ts';
import { QueueClosedError, QueueOptionError } from './errors.ts';
import { inspection, statsOf } from './inspection.ts';
import type { Job } from './job.ts';
import type { QueueCalls } from './queue.ts';
import { runWorker, type Worker } from './worker.ts';

/** A driver of this package that is chosen and not yet loaded. */
export type ChosenDriver =
  | { readonly name: 'memory' }
  | {
      readonly name: 'bullmq';
      readonly redis: QueueRedisOptions & { env: Env };
      readonly prefix: string;
      /** Milliseconds. */
      readonly timeout: number;
    };

/** What a queue is made of, every option checked and every default filled in. */
export interface QueueSettings {
  readonly driver: ChosenDriver | QueueDriver;
  readonly keep: KeepPolicy;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  /** Whether its workers keep the process alive. */
  readonly keepAlive: boolean;
}

/** The working part of a queue. */
export interface Engine extends QueueCalls {
  close(): Promise<void>;
}

const enqueueing = operation('queue.enqueue');
const CHUNK = 500;
/** Jobs that wait this long without any worker in the process are worth a word. */
const WARN_AFTER = 2000;

/** Loads the driver of a queue and makes its working part. */
export async function openEngine(settings: QueueSettings): Promise<Engine> {
  return engineOn(await loadDriver(settings), settings);
}

async function loadDriver({ driver, keep, clock, log }: QueueSettings): Promise<QueueDriver> {
  if ('add' in driver) return driver;
  if (driver.name === 'memory') {
    const { memoryDriver } = await import('./drivers/memory.ts');
    return memoryDriver({ clock, log, keep, warnAfter: WARN_AFTER });
  }
  const { bullmqDriver } = await import('./drivers/bullmq.ts');
  const { redis, prefix, timeout } = driver;
  return bullmqDriver({ redis, prefix, timeout, clock, log, keep });
}

function engineOn(driver: QueueDriver, settings: QueueSettings): Engine {
  const { clock, log, random, keepAlive } = settings;
  const workers = new Set<Worker>();
  let closed: Promise<void> | undefined;
  const assertOpen = (): void => {
    if (closed) throw new QueueClosedError();
  };
  const assertJob = (call: string, job: Partial<Job> | undefined): void => {
    assertOpen();
    // Two modules that import each other see each other's constants as undefined for a while.
    if (!job?.schema) throw new QueueOptionError(call, 'job', 'what defineJob() returned');
  };

  return {
    ready: () => driver.ready(),
    async health() {
      assertOpen();
      const [counts, warning] = await Promise.all([driver.stats(), driver.warning()]);
      const { queues: _, ...figures } = statsOf(counts);
      const data = { driver: driver.name, ...figures };
      return { status: 'ok', ...warning, data };
    },
    close() {
      closed ??= (async () => {
        await Promise.all([...workers].map((worker) => worker.stop()));
        await driver.close();
      })();
      return closed;
    },
    enqueue(job, payload, options = DEFAULTS) {
      assertJob('enqueue()', job);
      if (!enqueueing.hasSubscribers) return addOne(job, payload, options);
      const { name, queue } = job;
      return enqueueing.trace(() => addOne(job, payload, options), { job: name, queue, driver: driver.name });
    },
    async enqueueMany(job, payloads, options = {}) {
      assertJob('enqueueMany()', job);
      const { delay, at, priority } = options;
      const given = definedOnly({ delay, at, priority });
      const shared = Object.keys(given).length > 0 ? given : DEFAULTS;
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
    async runChain(steps, options = {}) {
      const pairs = [...(steps as unknown as readonly (readonly [Job, unknown])[])];
      if (pairs.length === 0) throw new QueueOptionError('runChain()', 'steps', 'a list of at least one');
      for (const [job] of pairs) assertJob('runChain()', job);
      const [{ name, queue }] = pairs[0] as readonly [Job, unknown];
      return enqueueing.trace(
        async () => {
          const { first, ids } = await prepareChain(pairs, options, clock);
          const [added] = await driver.add([first]);
          return { ids, status: added?.status === 'duplicate' ? 'duplicate' : 'enqueued' };
        },
        { job: name, queue, driver: driver.name },
      );
    },
    async cancelJob(id) {
      assertOpen();
      return driver.cancel(id);
    },
    async startWorker(options = {}) {
      assertOpen();
      await driver.ready();
      const worker = await runWorker(options, {
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

  async function addOne<S extends Schema>(
    job: Job<S>,
    payload: SchemaInput<S>,
    options: EnqueueOptions<SchemaInput<S>>,
  ): Promise<Enqueued> {
    const prepared = prepareJob(job, payload, options, clock);
    const [added] = await driver.add([prepared instanceof Promise ? await prepared : prepared]);
    return added as Enqueued;
  }

  async function addChunk<S extends Schema>(
    job: Job<S>,
    payloads: readonly SchemaInput<S>[],
    shared: EnqueueOptions,
  ): Promise<EnqueueOutcome[]> {
    const failed = (thrown: unknown): EnqueueOutcome => ({ status: 'failed', error: thrown as Error });
    const prepare = (payload: SchemaInput<S>): NewJob | EnqueueOutcome | Promise<NewJob | EnqueueOutcome> => {
      try {
        const prepared = prepareJob(job, payload, shared, clock);
        return prepared instanceof Promise ? prepared.catch(failed) : prepared;
      } catch (thrown) {
        return failed(thrown);
      }
    };
    const prepared = await Promise.all(payloads.map(prepare));
    const good = prepared.filter((item) => 'payload' in item);
    const added: readonly EnqueueOutcome[] =
      good.length === 0
        ? []
        : await driver.add(good).catch((thrown: unknown) => good.map(() => failed(thrown)));
    const next = added.values();
    return prepared.map((item) => ('payload' in item ? (next.next().value as EnqueueOutcome) : item));
  }
}

/** The fields that are there: an absent option and one that is `undefined` are the same to a caller. */
const definedOnly = <T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
