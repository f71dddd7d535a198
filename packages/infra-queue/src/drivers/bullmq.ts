import { type Clock, type Logger, logger, systemClock } from '@vibeonrails/infra-core';
import type { Consumer, KeepPolicy, Process, QueueDriver, Schedule, TimeLimit } from '../driver.ts';
import { addTogether } from './bullmq/adding-together.ts';
import { threadAddress } from './bullmq/address.ts';
import { cancelJob } from './bullmq/cancelling.ts';
import { type BullmqConsumer, consumeQueue } from './bullmq/consumer.ts';
import { discardDead, retryDead } from './bullmq/dead.ts';
import { evictionWarning } from './bullmq/eviction.ts';
import { restoreSchedules } from './bullmq/flushed.ts';
import { enterGate } from './bullmq/gates.ts';
import { recall, remember } from './bullmq/memory-fields.ts';
import { quietly } from './bullmq/patience.ts';
import { findJob, listJobs, queueCounts } from './bullmq/reading.ts';
import type { HandedOut } from './bullmq/records.ts';
import { cancelRun } from './bullmq/running.ts';
import { clockWarning } from './bullmq/server-time.ts';
import { openStore, type StoreOptions } from './bullmq/store.ts';
import { forgetSchedule, startTicker, storedSchedules, storeSchedule, type Ticker } from './bullmq/ticker.ts';

/** How the BullMQ driver is made. */
export interface BullmqDriverOptions {
  redis: StoreOptions['redis'];
  /** What every key starts with. */
  prefix: string;
  /** How long a call may take, in milliseconds. */
  timeout: number;
  keep: KeepPolicy;
  /** Milliseconds between two looks at whether workers go on fetching. @default 5000 */
  watchEvery?: number;
  /** @default the machine's clock */
  clock?: Clock;
  /** @default the process's logger */
  log?: Logger;
}

/** Keeps jobs in Redis, in BullMQ's own form: any BullMQ client can read them. */
export function bullmqDriver(options: BullmqDriverOptions): QueueDriver {
  const { keep, clock = systemClock, log = logger, redis, prefix, timeout, watchEvery } = options;
  const store = openStore({ redis, prefix, timeout, clock, log });
  /** What this process has scheduled. */
  const scheduled = new Map<string, Schedule>();
  const consumers = new Map<BullmqConsumer, { queue: string; ticker: Ticker }>();

  const running = (queue: string, id: string) =>
    [...consumers]
      .filter(([, served]) => served.queue === queue)
      .map(([consumer]) => consumer.running.get(id))
      .find((entry) => entry !== undefined);

  return {
    name: 'bullmq',
    ready: () => store.ready(),
    add: addTogether(store),
    consume(queue: string, concurrency: number, process: Process, limit?: TimeLimit): Consumer {
      const host = { store, keep, log, address: threadAddress(redis), watchEvery };
      const consumer = consumeQueue(host, queue, concurrency, process, limit);
      const ticker = startTicker(store, queue, (name) => scheduled.has(name), quietly(log, queue));
      const ours = (): Schedule[] => [...scheduled.values()].filter((schedule) => schedule.queue === queue);
      const forgetSchedules = restoreSchedules(store, queue, ours, quietly(log, queue));
      consumers.set(consumer, { queue, ticker });
      return {
        stop() {
          ticker.stop();
          forgetSchedules();
          return consumer.stop();
        },
        async close() {
          ticker.stop();
          forgetSchedules();
          await consumer.close();
          consumers.delete(consumer);
        },
      };
    },
    async enter(job, gate) {
      const handedOut = job as HandedOut;
      const wait = await enterGate(store, job, handedOut.token, gate);
      if (wait === 0) handedOut.gate = gate;
      return wait;
    },
    async progress(queue, id, value) {
      const job = running(queue, id)?.job;
      // It goes over the connection of the workers, which waits for a server that is away.
      if (job) await store.run(() => job.updateProgress(value));
    },
    recall: (queue, id, key) => recall(store, queue, id, key),
    remember: (queue, id, key, value) => remember(store, queue, id, key, value),
    cancel: (id) => cancelJob(store, id, (queue) => cancelRun(running(queue, id))),
    find: (id) => findJob(store, id),
    list: (query) => listJobs(store, query, keep),
    retry: (ids) => retryDead(store, ids),
    discard: (ids) => discardDead(store, ids),
    stats: () => queueCounts(store, keep),
    pause: (queue) =>
      store.run(async (access) => {
        await store.note(access, queue);
        await access.queue(queue).pause();
      }),
    resume: (queue) => store.run((access) => access.queue(queue).resume()),
    async schedule(schedule) {
      await storeSchedule(store, schedule);
      scheduled.set(schedule.name, schedule);
      for (const { queue, ticker } of consumers.values()) if (queue === schedule.queue) ticker.wake();
    },
    async warning() {
      const eviction = await evictionWarning(store);
      if (eviction?.status === 'error') return eviction;
      await store.run(({ client }) => store.time.measure(client));
      return clockWarning(store.time) ?? eviction;
    },
    schedules: () => storedSchedules(store),
    unschedule(name) {
      scheduled.delete(name);
      return forgetSchedule(store, name);
    },
    close: () => store.close(),
  };
}
