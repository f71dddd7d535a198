import { AsyncResource } from 'node:async_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { installSignalHandlers, onShutdown, systemClock } from '@vibeonrails/infra-core';
import { Attempt, type AttemptHost, STOPPED } from './attempt.ts';
import { CRON_QUEUE, registry } from './definitions.ts';
import type { Consumer, DriverJob, Gate, Outcome, Process, QueueDriver, Run } from './driver.ts';
import { JobLostError } from './errors.ts';
import { watchEventLoop } from './loop-lag.ts';
import { LazySignal } from './run-context.ts';
import { firstTick } from './schedule.ts';
import { type Task, taskOf, timeLimit } from './task.ts';
import { unknownJob } from './unknown-job.ts';
import { checked, type WorkerOptions } from './worker-options.ts';

/** How a worker's jobs ended when it stopped. */
export interface StopReport {
  /** Finished in time, well or badly. */
  readonly drained: number;
  /** Heeded their signal and went back to their queue; the attempt does not count. */
  readonly released: number;
  /** Went back to their queue while their handlers go on: these may run twice. */
  readonly abandoned: number;
}

/** A worker that runs. The process stays alive until it stops. */
export interface Worker {
  /** Handlers that run now. */
  readonly running: number;
  /** Resolves when its queues hold nothing that could run now. What is delayed or paused is not waited for. */
  idle(): Promise<void>;
  /**
   * Takes no more jobs, waits for those that run until the grace period is over, aborts their signals, and gives back
   * those that are left. Idempotent: every call gets the same report.
   */
  stop(): Promise<StopReport>;
}

/** What a worker needs from its queue. */
export interface WorkerHost extends Pick<AttemptHost, 'clock' | 'log' | 'random'> {
  readonly driver: QueueDriver;
  /** Whether the worker keeps the process alive. */
  readonly keepAlive: boolean;
  /** The worker has stopped. */
  stopped(worker: Worker): void;
}

/** Handlers get this long to heed their signal before they are left behind. */
const SETTLE = 1000;
/** The longest wait between two looks at a store that others change too. */
const IDLE_POLL_MAX = 100;
/** The wait of a job whose limits cannot be read. */
const GATE_RETRY = 1000;
/** Starts a worker on a driver that is ready. */
export async function runWorker(options: WorkerOptions, host: WorkerHost): Promise<Worker> {
  const { concurrency, queues, crons, grace } = checked(options);
  const { driver, clock, log } = host;
  const running = new Set<Attempt>();
  const consumers = new Map<string, Consumer>();
  const tally = { drained: 0, released: 0, abandoned: 0 };
  const abandoned = new Set<Attempt>();
  let stopping: Promise<StopReport> | undefined;
  let emptied: () => void = () => undefined;
  // A job must not run in the asynchronous context of whoever enqueued it or finished the one before.
  const ownContext = new AsyncResource('infra-queue worker');
  const attemptHost: AttemptHost = {
    ...{ driver: driver.name, clock, log, random: host.random },
    progress: (job, percent) => driver.progress(job.queue, job.id, percent),
    add: (job) => driver.add([job]),
    recall: (job, key) => driver.recall(job.queue, job.id, key),
    remember: (job, key, value) => driver.remember(job.queue, job.id, key, value),
  };

  const process = async (job: DriverJob, run: Run): Promise<Outcome> => {
    const own = new LazySignal();
    run.abort = (reason) => own.abort(reason);
    const task = taskOf(job);
    if (!task) return unknownJob(job, host);
    const passed = job.lost
      ? givenUp(job, task, job.lost)
      : task.gate || job.apart
        ? await passGate(job, task, host)
        : task;
    if ('type' in passed) return passed;
    // Stopped while the gate was asked: nobody waits for a handler that starts now, and none would abort it.
    if (stopping) return STOPPED;
    const attempt = new Attempt(job, passed, own, attemptHost);
    running.add(attempt);
    const outcome = await attempt.outcome;
    running.delete(attempt);
    if (stopping)
      tally[abandoned.has(attempt) ? 'abandoned' : outcome === STOPPED ? 'released' : 'drained'] += 1;
    if (running.size === 0) emptied();
    return outcome;
  };
  const serve = (queue: string, slots: number): void => {
    if (stopping || consumers.has(queue)) return;
    const run: Process = (job, run) => ownContext.runInAsyncScope(process, undefined, job, run);
    const consumer = driver.consume(queue, slots, run, timeLimit);
    consumers.set(queue, consumer);
  };
  const serveDefined = async (): Promise<void> => {
    // First what may fail: a worker that did not start must serve nothing.
    if (crons && (await scheduleCrons(host))) serve(CRON_QUEUE, concurrency);
    if (queues) for (const [queue, slots] of queues) serve(queue, slots);
    else for (const { queue } of registry().jobs.values()) serve(queue, concurrency);
  };
  const follow = (): void => {
    serveDefined().catch((err: unknown) => log.error({ err }, 'scheduling the crons failed'));
  };
  /** Resolves when nothing runs, or after `ms`. */
  const settled = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.after(ms, resolve);
      emptied = () => {
        cancel();
        resolve();
      };
      if (running.size === 0) emptied();
    });

  const stop = async (): Promise<StopReport> => {
    registry().watchers.delete(follow);
    const all = [...consumers.values()];
    await Promise.all(all.map((consumer) => consumer.stop()));
    await settled(grace);
    for (const attempt of running) attempt.stop();
    await settled(SETTLE);
    for (const attempt of running) {
      abandoned.add(attempt);
      attempt.abandon();
    }
    await Promise.all(all.map((consumer) => consumer.close()));
    if (tally.drained + tally.released + tally.abandoned > 0) log.info(tally, 'the worker stopped');
    return tally;
  };

  await serveDefined();
  registry().watchers.add(follow);
  // Like a server that listens: a worker without work is no reason for the process to end.
  const alive = host.keepAlive ? setInterval(() => undefined, 2 ** 30) : undefined;
  // Time that is not the machine's tells nothing of its event loop.
  const endWatch =
    clock === systemClock
      ? watchEventLoop((late) =>
          log.warn(
            { late, running: running.size },
            'a handler blocked the event loop: move such work to a thread, or give it pauses',
          ),
        )
      : () => undefined;
  const forgetSignals = options.signals ? installSignalHandlers() : () => undefined;
  const worker: Worker = {
    get running() {
      return running.size;
    },
    async idle() {
      for (let wait = 10; await isBusy(driver, consumers); wait = Math.min(2 * wait, IDLE_POLL_MAX))
        await pause(wait);
    },
    stop() {
      stopping ??= Promise.resolve()
        .then(stop)
        .finally(() => {
          clearInterval(alive);
          endWatch();
          forgetSignals();
          forgetHook();
          host.stopped(worker);
        });
      return stopping;
    },
  };
  const forgetHook = onShutdown('queue worker', () => worker.stop(), {
    phase: 'drain',
    timeout: grace + 2 * SETTLE,
  });
  return worker;
}

async function isBusy(driver: QueueDriver, served: ReadonlyMap<string, unknown>): Promise<boolean> {
  const counts = await driver.stats();
  return counts.some(
    ({ queue, active, waiting, paused }) => served.has(queue) && (active > 0 || (waiting > 0 && !paused)),
  );
}

/** Stores the schedule of every defined cron. False when there is none. */
async function scheduleCrons({ driver, clock }: WorkerHost): Promise<boolean> {
  const crons = [...registry().crons.values()];
  for (const cron of crons) firstTick(cron, clock.now());
  for (const { name, schedule: pattern, timezone, overlap, catchUp, jitter, retries } of crons)
    await driver.schedule({
      ...{ name, queue: CRON_QUEUE, pattern, timezone, overlap, catchUp, jitter },
      attempts: retries + 1,
    });
  return crons.length > 0;
}

/** Fails in place of a handler that takes its process down. */
const givenUp = ({ name }: DriverJob, task: Task, times: number): Task => ({
  ...task,
  run: () => Promise.reject(new JobLostError(name, times)),
});

/** What runs behind the gate of a task, or what becomes of a job that has to wait before it. */
async function passGate(job: DriverJob, task: Task, { driver, log }: WorkerHost): Promise<Task | Outcome> {
  let gate: Gate = {};
  try {
    gate = { ...task.gate?.(), ...(job.apart ? { apart: job.apart } : {}) };
  } catch (thrown) {
    return { ...task, run: () => Promise.reject(thrown) };
  }
  try {
    const delay = await driver.enter(job, gate);
    return delay === 0 ? task : { type: 'released', delay, parked: gate };
  } catch (err) {
    log.warn(
      { err, job: job.name, job_id: job.id, queue: job.queue },
      'the limits of the job could not be read',
    );
    return { type: 'released', delay: GATE_RETRY };
  }
}
