import type { Logger } from '@vibeonrails/infra-core';
import type { Job } from 'bullmq';
import type { Consumer, KeepPolicy, Process, TimeLimit } from '../../driver.ts';
import type { ThreadAddress } from './address.ts';
import { CANCELLED, isCancelled, pollCancelled, unmark, wouldRunAgain } from './cancelling.ts';
import { leaveGate } from './gates.ts';
import { LOCK, RENEW_EVERY, renewLocks } from './lock-renewal.ts';
import { watchLocks } from './locks.ts';
import { quietly, within } from './patience.ts';
import { HandedOut } from './records.ts';
import { retention, sweepEnded } from './retention.ts';
import { lose, lostAgain, type Running } from './running.ts';
import { RetryError, type Settling, settle } from './settle.ts';
import type { Bullmq, Store } from './store.ts';
import { watchFetching } from './watchdog.ts';
import { type YieldingWorker, yieldingWorker } from './yielding-worker.ts';

/** What a {@link Consumer} of BullMQ works with. */
export interface ConsumerHost {
  readonly store: Store;
  readonly keep: KeepPolicy;
  readonly log: Logger;
  /** Where another thread finds the same Redis. */
  readonly address: ThreadAddress | undefined;
  /** Milliseconds between two looks at whether the worker goes on. @default 5000 */
  readonly watchEvery?: number | undefined;
}

/** A consumer, and the jobs it runs. */
export interface BullmqConsumer extends Consumer {
  readonly running: ReadonlyMap<string, Running>;
}

/**
 * How often workers look for jobs without a lock. The first look that does not see a job's lock renewed marks it, the
 * next gives it to another worker: 5 to 12 seconds after its process died.
 */
const LOOK_EVERY = 3000;
/** A handler starts at once while its lock is no older than this; an older one is renewed first. */
const FRESH = RENEW_EVERY;
/** How long a blocked event loop keeps a job without a `timeout`: it may never come back. */
const LONGEST_BLOCK = 600_000;
const CANCEL_POLL = 500;
const SWEEP_EVERY = 60_000;
const START_RETRY = 1000;
/** How long closing waits for a server that is away: an outcome that it never hears of means another run. */
const CLOSE_TIME = 5000;

/** Serves a queue, from the moment its connection is there. */
export function consumeQueue(
  host: ConsumerHost,
  queue: string,
  concurrency: number,
  process: Process,
  limit: TimeLimit = () => undefined,
): BullmqConsumer {
  const { store, keep, log, address, watchEvery = 5000 } = host;
  const base = store.keys(queue).key('');
  const locks = address && watchLocks(base, concurrency, address, log);
  const running = new Map<string, Running>();
  const quiet = quietly(log, queue);
  let stopped = false;
  let fetched = 0;
  let worker: YieldingWorker | undefined;
  let closing: Promise<void> | undefined;
  let emptied = (): void => undefined;
  let halt = (): void => undefined;
  const halted = new Promise<void>((resolve) => {
    halt = resolve;
  });
  /** Resolves when no handler runs. */
  const settled = (): Promise<void> =>
    new Promise((resolve) => {
      emptied = resolve;
      if (running.size === 0) resolve();
    });

  const handle = async (bullmq: Bullmq, job: Job, token: string | undefined): Promise<unknown> => {
    const { id = '' } = job;
    const entry: Running = {
      job,
      run: { abort: () => undefined },
      token: token ?? '',
      lost: false,
      cancelled: false,
    };
    const settling: Settling = { bullmq, store, queue, job, token: entry.token, log };
    const handedOut = new HandedOut(queue, job, entry.token);
    fetched += 1;
    // What was on its way when the consumer stopped goes back.
    if (stopped) return settle(settling, { type: 'released', delay: 0 });
    running.set(id, entry);
    const release = locks?.hold(id, entry.token, Date.now() + (limit(handedOut) ?? LONGEST_BLOCK));
    try {
      // It may have been on its way for long, behind a handler that blocked: then it may be another worker's by now.
      if (Date.now() - (job.processedOn ?? 0) > FRESH)
        await renew([entry]).catch((thrown: unknown) => {
          quiet(thrown);
          lose(entry);
        });
      if (entry.lost) throw new bullmq.WaitingError();
      const decided = lostAgain(job, queue, log) ?? (await process(handedOut, entry.run));
      // With the outcome, whatever becomes of that.
      if (handedOut.gate) await leaveGate(store, queue, id, entry.token, handedOut.gate).catch(quiet);
      if (entry.lost) throw new bullmq.WaitingError();
      const stops = wouldRunAgain(decided) && (await isCancelled(store, queue, entry, decided).catch(quiet));
      const outcome = stops ? CANCELLED : decided;
      const ends = outcome.type === 'dead' || outcome.type === 'discarded';
      // It would cancel the job again when it is retried.
      if (ends || entry.cancelled) await unmark(store, queue, id).catch(quiet);
      if (outcome.type === 'released' && outcome.elsewhere) leaveToOthers(outcome.delay);
      return await settle(settling, outcome);
    } finally {
      release?.();
      // The same job may be here again, under another lock.
      if (running.get(id) === entry) running.delete(id);
      if (running.size === 0) emptied();
    }
  };
  /** Leaves a job that goes back to other processes. They may not know when it is due: one that waits is woken then. */
  const leaveToOthers = (delay: number): void => {
    worker?.yieldAt(Date.now() + delay);
    const marker = store.keys(queue).key('marker');
    const wake = (): void => {
      if (!stopped) store.run(({ client }) => client.call('ZADD', marker, 0, '0')).catch(quiet);
    };
    setTimeout(wake, delay + 1).unref();
  };
  /** The thread does the same, and goes on while this one is blocked; what is lost is noticed here. */
  const renew = async (entries: readonly Running[]): Promise<void> => {
    const held = entries.map(({ job, token }) => ({ id: job.id ?? '', token }));
    const lost = await store.run(({ client }) => renewLocks(client, base, held));
    for (const entry of entries) if (lost.includes(entry.job.id ?? '')) lose(entry);
  };
  let renewing = false;
  const renewAll = async (): Promise<void> => {
    if (renewing || running.size === 0) return;
    renewing = true;
    await renew([...running.values()].filter(({ lost }) => !lost))
      .catch(quiet)
      .finally(() => {
        renewing = false;
      });
  };
  const start = async (): Promise<YieldingWorker> => {
    const [{ connection, bullmq }] = await Promise.all([store.forWorkers(), locks?.ready()]);
    // Jobs may come from elsewhere, under BullMQ's own hand.
    await store.run((access) => store.note(access, queue));
    const made = yieldingWorker(bullmq, queue, (job, token) => handle(bullmq, job, token), {
      connection: connection.client as never,
      prefix: store.keys(queue).prefix,
      concurrency,
      lockDuration: LOCK,
      skipLockRenewal: true,
      stalledInterval: LOOK_EVERY,
      // The attempts decide, job by job.
      maxStalledCount: 1_000_000,
      runRetryDelay: 1000,
      removeOnComplete: retention(keep.completed),
      removeOnFail: retention(keep.dead),
      settings: {
        backoffStrategy: (_made, _type, error) => (error instanceof RetryError ? error.delay : -1),
      },
    });
    made.on('error', quiet);
    let failure: { thrown: unknown } | undefined;
    const ready = made.waitUntilReady().catch((thrown: unknown) => {
      failure = { thrown };
    });
    // A connection that died without a word as it was made leaves it waiting: then the watch finds that it fetches nothing.
    await within(ready, watchEvery);
    if (!failure) return made;
    forceClosed(made);
    throw failure.thrown;
  };
  const startPatiently = async (): Promise<void> => {
    while (!stopped && !worker)
      try {
        worker = await start();
        // Stopped meanwhile: nobody else ends it.
        if (stopped) await worker.close();
      } catch (thrown) {
        quiet(thrown);
        if (!stopped) await within(halted, START_RETRY);
      }
  };
  let starting = startPatiently();
  const unwatch = watchFetching({
    ...{ store, queue, every: watchEvery, failed: quiet },
    fetched: () => (stopped || !worker || running.size >= concurrency ? undefined : fetched),
    reconnect() {
      log.warn({ queue }, 'a worker fetches none of the jobs that are due: it gets a new connection');
      void store.reconnectWorkers().catch(quiet);
    },
    replace() {
      log.warn({ queue }, 'a worker fetches none of the jobs that are due: another takes its place');
      const former = worker;
      worker = undefined;
      // What it runs goes on, and its outcomes count.
      void former?.close().catch(quiet);
      starting = startPatiently();
    },
  });
  const poll = setInterval(() => void pollCancelled(store, queue, running).catch(quiet), CANCEL_POLL);
  const sweep = setInterval(() => void sweepEnded(store, queue, keep).catch(quiet), SWEEP_EVERY);
  const renewal = setInterval(() => void renewAll(), RENEW_EVERY);
  for (const timer of [poll, sweep, renewal]) timer.unref();

  const stop = async (): Promise<void> => {
    stopped = true;
    halt();
    await within(starting, CLOSE_TIME);
    closing ??= worker?.close().catch(quiet);
  };
  let closed: Promise<void> | undefined;
  return {
    running,
    stop,
    close() {
      closed ??= (async () => {
        await stop();
        // The handlers take their time, and who asked them to end decides how long.
        await settled();
        for (const timer of [poll, sweep, renewal]) clearInterval(timer);
        unwatch();
        locks?.close();
        if ((await within(closing, CLOSE_TIME)) === 'late' && worker) forceClosed(worker);
      })();
      return closed;
    },
  };
}

/** Ends a worker whose connection does not come back. */
function forceClosed(worker: YieldingWorker): void {
  void worker.close(true).catch(() => undefined);
  void worker
    .getBackend()
    .disconnectBlocking(false)
    .catch(() => undefined);
}
