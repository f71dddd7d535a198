import type { Outcome } from './driver.ts';
import type { MemoryDriver } from './drivers/memory.ts';

/** How many runs ended how. */
export interface RunReport {
  readonly done: number;
  /** Failed, and will be tried again. */
  readonly retried: number;
  readonly dead: number;
  readonly discarded: number;
  readonly snoozed: number;
}

/** What became of the runs of a driver. */
export interface RunLog {
  readonly add: (id: string, outcome: Outcome) => void;
  counts(): RunReport;
  /** The outcome of the next run of a job, or of its last when it has run. */
  of(id: string): Promise<Outcome>;
  /** Resolves when the next run of any job is over. */
  next(): Promise<void>;
}

/** Makes an empty {@link RunLog}. */
export function runLog(): RunLog {
  const counts = { done: 0, retried: 0, dead: 0, discarded: 0, snoozed: 0 };
  const kinds = {
    done: 'done',
    retry: 'retried',
    dead: 'dead',
    discarded: 'discarded',
    released: 'snoozed',
  } as const;
  const outcomes = new Map<string, Outcome>();
  let waiting: (() => void)[] = [];
  const log: RunLog = {
    add(id, outcome) {
      counts[kinds[outcome.type]] += 1;
      outcomes.set(id, outcome);
      const all = waiting;
      waiting = [];
      for (const resolve of all) resolve();
    },
    counts: () => ({ ...counts }),
    next: () => new Promise((resolve) => waiting.push(resolve)),
    async of(id) {
      for (;;) {
        const outcome = outcomes.get(id);
        if (outcome) return outcome;
        await log.next();
      }
    },
  };
  return log;
}

/** Resolves when nothing runs and nothing may run. */
export async function idle(driver: MemoryDriver, runs: RunLog): Promise<void> {
  for (;;) {
    const counts = await driver.stats();
    if (counts.every(({ active, waiting, paused }) => active === 0 && (paused || waiting === 0))) return;
    await runs.next();
  }
}

/** The runs between two counts. */
export const difference = (after: RunReport, before: RunReport): RunReport => ({
  done: after.done - before.done,
  retried: after.retried - before.retried,
  dead: after.dead - before.dead,
  discarded: after.discarded - before.discarded,
  snoozed: after.snoozed - before.snoozed,
});
