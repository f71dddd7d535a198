import type { Clock, Logger } from '@vibeonrails/infra-core';
import {
  type Consumer,
  type KeepPolicy,
  type Outcome,
  type Process,
  perMinute,
  type QueueCounts,
} from '../driver.ts';
import { JobCancelledError } from '../errors.ts';
import { failureOf } from '../failure.ts';
import { type Heap, heap } from './heap.ts';
import { driverJob, dueBefore, type MemoryJob, runsBefore } from './memory-job.ts';

/** What a {@link MemoryQueue} tells the driver. */
export interface MemoryQueueHost {
  readonly clock: Clock;
  readonly log: Logger;
  readonly keep: KeepPolicy;
  /** A job has completed or is dead. */
  ended(job: MemoryJob): void;
  /** A job is forgotten. */
  forgotten(job: MemoryJob): void;
  /** The outcome of a run is written. */
  settled(job: MemoryJob, outcome: Outcome): void;
  /** A job has ended its run: those that waited at its gate and may run now. */
  left(job: MemoryJob): readonly MemoryJob[];
  /** The next of the numbers by which jobs run in turn. */
  turn(): number;
  /** Jobs wait and nobody serves the queue. */
  unserved(queue: MemoryQueue): void;
}

const CANCELLED: Outcome = Object.freeze({ type: 'discarded', reason: 'cancelled' });

interface Serving {
  readonly concurrency: number;
  readonly process: Process;
  running: number;
  stopped: boolean;
  emptied?: () => void;
}

/** How long jobs that take no time follow each other before the event loop turns, in milliseconds. */
const TURN = 2;

const nothing = (): void => undefined;

/** One queue of the memory driver. */
export class MemoryQueue {
  readonly name: string;
  readonly ready: Heap<MemoryJob> = heap(runsBefore);
  readonly later: Heap<MemoryJob> = heap(dueBefore);
  readonly active: Set<MemoryJob> = new Set();
  /** Ended jobs, oldest first. */
  readonly completed: Map<string, MemoryJob> = new Map();
  readonly dead: Map<string, MemoryJob> = new Map();
  readonly #serving: Set<Serving> = new Set();
  readonly #host: MemoryQueueHost;
  paused = false;
  #pumping = false;
  #turnEnds = 0;
  #closed = false;
  #disarm: (() => void) | undefined;

  constructor(name: string, host: MemoryQueueHost) {
    this.name = name;
    this.#host = host;
  }

  get served(): boolean {
    return this.#serving.size > 0;
  }

  /** Puts a job where its `runAt` says. */
  place(job: MemoryJob): void {
    const waits = job.runAt > this.#host.clock.now();
    job.state = waits ? 'delayed' : 'waiting';
    (waits ? this.later : this.ready).push(job);
    if (!waits) this.pump();
    else if (this.later.peek() === job) this.#arm();
  }

  /** Takes out a job that waits or is delayed. */
  take(job: MemoryJob): void {
    (job.state === 'waiting' ? this.ready : this.later).remove(job);
  }

  /** Lets a delayed job run now, after those that wait: they may be of others than whose place came free. */
  hurry(job: MemoryJob): void {
    this.later.remove(job);
    job.runAt = this.#host.clock.now();
    job.turn = this.#host.turn();
    this.place(job);
  }

  /** Aborts the run of an active job. */
  abort(job: MemoryJob): void {
    job.cancelled = true;
    job.run?.abort(new JobCancelledError(job.given.id));
  }

  /** Hands out what can be handed out, in a turn of its own: who adds a job never runs it. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      this.#turnEnds = performance.now() + TURN;
      this.#handOut();
    });
  }

  consume(concurrency: number, process: Process): Consumer {
    const serving: Serving = { concurrency, process, running: 0, stopped: false };
    this.#serving.add(serving);
    this.pump();
    const stop = async (): Promise<void> => {
      serving.stopped = true;
      this.#serving.delete(serving);
    };
    let closed: Promise<void> | undefined;
    return {
      stop,
      close: () => {
        void stop();
        closed ??= new Promise((resolve) => {
          if (serving.running === 0) resolve();
          else serving.emptied = resolve;
        });
        return closed;
      },
    };
  }

  /** Forgets ended jobs that are over their count or age. */
  expire(): void {
    const now = this.#host.clock.now();
    this.#trim('completed', now);
    this.#trim('dead', now);
  }

  #trim(end: 'completed' | 'dead', now: number): void {
    const { count, age } = this.#host.keep[end];
    for (const [id, job] of this[end]) {
      if (this[end].size <= count && (job.finishedAt ?? now) > now - age) break;
      this[end].delete(id);
      this.#host.forgotten(job);
    }
  }

  counts(): QueueCounts {
    this.expire();
    const { name: queue, ready, later, active, completed, dead, paused } = this;
    const since = ready.items.reduce((oldest, job) => Math.min(oldest, job.runAt), Number.POSITIVE_INFINITY);
    return {
      queue,
      waiting: ready.size,
      delayed: later.size,
      active: active.size,
      completed: completed.size,
      dead: dead.size,
      oldest: ready.size === 0 ? 0 : Math.max(0, this.#host.clock.now() - since),
      throughput: this.#ended('completed') + this.#ended('dead'),
      paused,
    };
  }

  #ended(end: 'completed' | 'dead'): number {
    const now = this.#host.clock.now();
    let lastMinute = 0;
    let oldest = 0;
    for (const { finishedAt = 0 } of this[end].values()) {
      oldest ||= finishedAt;
      if (finishedAt > now - 60_000) lastMinute += 1;
    }
    return perMinute({ kept: this[end].size, lastMinute, oldest }, this.#host.keep[end], now);
  }

  close(): void {
    this.#closed = true;
    this.#disarm?.();
    this.#serving.clear();
  }

  #handOut(): void {
    if (this.paused || this.#closed) return;
    for (const serving of this.#serving) {
      while (serving.running < serving.concurrency) {
        const job = this.ready.pop();
        if (!job) return;
        void this.#run(job, serving);
      }
    }
    if (!this.served && this.ready.size > 0) this.#host.unserved(this);
  }

  async #run(job: MemoryJob, serving: Serving): Promise<void> {
    job.state = 'active';
    job.starts += 1;
    job.startedAt = this.#host.clock.now();
    job.run = { abort: nothing };
    this.active.add(job);
    serving.running += 1;
    const decided = await serving.process(driverJob(job), job.run);
    const again = decided.type === 'released' || decided.type === 'retry';
    const outcome = job.cancelled && again ? CANCELLED : decided;
    job.cancelled = false;
    this.active.delete(job);
    // Not deleted: an object that loses a field is slow from then on.
    job.run = undefined;
    if (!this.#closed) this.#settle(job, outcome);
    for (const next of this.#host.left(job)) if (!this.#closed) this.hurry(next);
    this.#host.settled(job, outcome);
    serving.running -= 1;
    if (serving.running === 0) serving.emptied?.();
    if (performance.now() < this.#turnEnds) this.#handOut();
    else this.pump();
  }

  #settle(job: MemoryJob, outcome: Outcome): void {
    if (outcome.type !== 'released' && outcome.type !== 'discarded') job.attemptsMade += 1;
    if (outcome.type === 'retry' || outcome.type === 'dead') job.failure = failureOf(outcome.error);
    if (outcome.type === 'retry' || outcome.type === 'released') {
      job.runAt = this.#host.clock.now() + outcome.delay;
      this.place(job);
      return;
    }
    if (outcome.type === 'discarded') job.discarded = outcome.reason;
    const end = outcome.type === 'dead' ? 'dead' : 'completed';
    job.state = end;
    job.finishedAt = this.#host.clock.now();
    this[end].set(job.given.id, job);
    this.#host.ended(job);
    // Some at once: finding the oldest of a map that has lost many takes long. Whoever looks sees no more than are kept.
    const { count } = this.#host.keep[end];
    if (this[end].size > count + (count >> 3)) this.#trim(end, job.finishedAt);
  }

  #arm(): void {
    this.#disarm?.();
    const first = this.later.peek();
    if (!first) return;
    const wait = Math.max(0, first.runAt - this.#host.clock.now());
    this.#disarm = this.#host.clock.after(wait, () => this.#wake());
  }

  #wake(): void {
    const now = this.#host.clock.now();
    for (let job = this.later.peek(); job && job.runAt <= now; job = this.later.peek()) {
      this.later.remove(job);
      job.state = 'waiting';
      this.ready.push(job);
    }
    this.#arm();
    this.pump();
  }
}
