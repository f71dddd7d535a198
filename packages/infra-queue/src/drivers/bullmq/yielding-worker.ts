import type { Processor, Worker, WorkerOptions } from 'bullmq';
import type { Bullmq } from './store.ts';

/** BullMQ's worker, which can also leave a job to others. */
export interface YieldingWorker extends Worker {
  /** A job that it gave back is due at this time, and another process may know it: that goes first. */
  yieldAt(due: number): void;
}

/**
 * All workers that wait for one delayed job wake together, at the tenth of a second of Redis's own timers, and who is quickest
 * takes it: the same one again and again. This long after the others is after them.
 */
const HEAD_START = 200;
/** What is noted as due and what BullMQ then waits for may be so far apart. */
const ABOUT = 10;
const MANY = 50;

/** Makes a {@link YieldingWorker}. */
export function yieldingWorker(
  bullmq: Bullmq,
  queue: string,
  process: Processor,
  options: WorkerOptions,
): YieldingWorker {
  let given: number[] = [];
  class Yielding extends bullmq.Worker implements YieldingWorker {
    yieldAt(due: number): void {
      given = [...given.slice(1 - MANY), due];
    }

    protected override getBlockTimeout(until: number): number {
      const seconds = super.getBlockTimeout(until);
      const yields = until > 0 && given.some((due) => Math.abs(due - until) <= ABOUT);
      return yields && seconds > 0 ? seconds + HEAD_START / 1000 : seconds;
    }
  }
  return new Yielding(queue, process, options);
}
