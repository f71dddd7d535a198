/// <reference lib="esnext.disposable" preserve="true" />
import assert from 'node:assert/strict';
import { type Duration, type Logger, type Schema, type SchemaInput, toMs } from '@vibeonrails/infra-core';
import { type FakeClock, fakeClock } from '@vibeonrails/infra-core/testing';
import { memoryDriver } from './drivers/memory.ts';
import type { Enqueued, EnqueueOutcome } from './enqueue.ts';
import { QueueOptionError } from './errors.ts';
import { difference, idle, type RunReport, runLog } from './fake-runs.ts';
import type { Job } from './job.ts';
import { handle } from './module.ts';
import { makeQueue, type Queue } from './queue.ts';

/** How a fake queue behaves. */
export interface FakeQueueOptions {
  /**
   * `manual`: jobs wait until `drain()` or `advance()`. `inline`: `enqueue` and `runChain` run the job before they return, and
   * throw what its handler throws in the first attempt; `enqueueMany` runs all, and tells that as the `failed` outcome of
   * each that threw. @default 'manual'
   */
  mode?: 'manual' | 'inline';
  /** What its clock shows at first. @default 2026-01-01T00:00:00Z */
  now?: Date;
  /** Where jobs log to. @default the process's logger */
  logger?: Logger;
}

/** A part of a payload, at any depth. */
export type PartialPayload<T> = T extends object ? { [K in keyof T]?: PartialPayload<T[K]> } : T;

/** A job that was enqueued. */
export interface EnqueuedJob {
  readonly id: string;
  readonly name: string;
  readonly payload: unknown;
  readonly status: Enqueued['status'];
}

/** A queue for tests that stands in for the default one, in memory, on a clock of its own. */
export interface FakeQueue extends Queue, Disposable {
  readonly clock: FakeClock;
  /** Everything that was enqueued, in order, whatever became of it. */
  readonly enqueued: readonly EnqueuedJob[];
  /** Fails unless `job` was enqueued with a payload that holds at least `payload`; with `times`, exactly so often. */
  assertEnqueued<S extends Schema>(
    job: Job<S>,
    payload?: PartialPayload<SchemaInput<S>>,
    options?: { times?: number },
  ): void;
  /** Fails when `job` was enqueued, with a payload that holds at least `payload`. */
  assertNotEnqueued<S extends Schema>(job: Job<S>, payload?: PartialPayload<SchemaInput<S>>): void;
  /** Runs every job that may run now, and those they enqueue, until none is left. Retries wait for their time. */
  drain(): Promise<RunReport>;
  /**
   * Moves time on, running delayed jobs, retries and crons as they become due. It waits for handlers; one that waits for its
   * own timeout needs `clock.advance()`.
   */
  advance(by: Duration): Promise<RunReport>;
  /** Puts the former default queue back. `using` does it too. */
  restore(): void;
}

/**
 * Swaps the default queue for an empty one in memory until `restore()`, or the end of a `using` block.
 *
 * @throws `E_QUEUE_OPTION`
 */
export function fakeQueue({ mode = 'manual', now, logger }: FakeQueueOptions = {}): FakeQueue {
  if (mode !== 'manual' && mode !== 'inline')
    throw new QueueOptionError('fakeQueue()', 'mode', "'manual' or 'inline'");
  const clock = fakeClock(now);
  const runs = runLog();
  const driver = memoryDriver({
    clock,
    keep: { completed: { count: 100_000, age: 1e13 }, dead: { count: 100_000, age: 1e13 } },
    onSettled: runs.add,
  });
  // Without chance, so that a test can name the time of a retry.
  const real = makeQueue({ driver, clock, random: () => 0, env: {}, ...(logger ? { logger } : {}) }, false);
  const enqueued: EnqueuedJob[] = [];
  let working: Promise<unknown> | undefined;

  const record = <S extends Schema>(job: Job<S>, payload: SchemaInput<S>, { id, status }: Enqueued): void => {
    enqueued.push({ id, name: job.name, payload: JSON.parse(JSON.stringify(payload)), status });
  };
  const runInline = async ({ id, status }: Enqueued): Promise<void> => {
    if (mode === 'manual' || status === 'duplicate') return;
    working ??= real.startWorker({ concurrency: 1000 });
    await working;
    const stored = await driver.find(id);
    // Of a chain, a step that the one before it did not let follow.
    if (!stored || (stored.state === 'delayed' && stored.startedAt === undefined)) return;
    const outcome = await runs.of(id);
    if ('error' in outcome) throw outcome.error;
  };
  const running = async (work: () => Promise<void>): Promise<RunReport> => {
    const before = runs.counts();
    const worker = mode === 'manual' ? await real.startWorker({ grace: 0 }) : undefined;
    await work();
    await worker?.stop();
    return difference(runs.counts(), before);
  };
  const found = <S extends Schema>(job: Job<S>, payload?: PartialPayload<SchemaInput<S>>): EnqueuedJob[] =>
    enqueued.filter(
      ({ name, payload: seen }) => name === job.name && (payload === undefined || holds(seen, payload)),
    );
  const restore = once(handle.swap, () => void real.close());

  const fake: Omit<FakeQueue, keyof Queue> = {
    clock,
    enqueued,
    assertEnqueued(job, payload, { times } = {}) {
      const seen = found(job, payload);
      const said = `expected "${job.name}" to be enqueued${payload === undefined ? '' : ` with ${JSON.stringify(payload)}`}`;
      const list = `\nenqueued: ${JSON.stringify(enqueued.map(({ name, payload: given }) => [name, given]))}`;
      if (times === undefined) assert.ok(seen.length > 0, said + list);
      else assert.equal(seen.length, times, `${said}, ${times} times, not ${seen.length}${list}`);
    },
    assertNotEnqueued: (job, payload) => fake.assertEnqueued(job, payload, { times: 0 }),
    drain: () => running(() => idle(driver, runs)),
    advance: (by) =>
      running(async () => {
        const end = clock.now() + toMs(by);
        await idle(driver, runs);
        for (let due = driver.nextDue(); due <= end; due = driver.nextDue()) {
          await clock.advance(Math.max(0, due - clock.now()));
          await idle(driver, runs);
        }
        await clock.advance(end - clock.now());
        await idle(driver, runs);
      }),
    restore: () => restore(),
    [Symbol.dispose]: () => restore(),
  };
  const queue: FakeQueue = {
    ...real,
    ...fake,
    async enqueue(job, payload, options) {
      const added = await real.enqueue(job, payload, options);
      record(job, payload, added);
      await runInline(added);
      return added;
    },
    async enqueueMany(job, payloads, options) {
      const outcomes: EnqueueOutcome[] = await real.enqueueMany(job, payloads, options);
      for (const [i, added] of outcomes.entries())
        if (added.status !== 'failed') record(job, payloads[i] as never, added);
      for (const [i, added] of outcomes.entries())
        if (added.status !== 'failed')
          await runInline(added).catch((thrown: Error) => {
            outcomes[i] = { status: 'failed', error: thrown };
          });
      return outcomes;
    },
    async runChain(steps, options) {
      const chain = await real.runChain(steps, options);
      const given = steps as unknown as readonly (readonly [Job, unknown])[];
      for (const [i, [job, payload]] of given.entries())
        record(job, payload, { id: chain.ids[i] ?? '', status: chain.status });
      for (const id of chain.ids) await runInline({ id, status: chain.status });
      return chain;
    },
  };
  restore.arm(queue);
  return queue;
}

/** Puts an instance in the place of the default one; calling the result puts the former back, once. */
function once(
  swap: (queue: Queue) => () => void,
  close: () => void,
): (() => void) & { arm(queue: Queue): void } {
  let putBack: (() => void) | undefined;
  const restore = (): void => {
    putBack?.();
    if (putBack) close();
    putBack = undefined;
  };
  return Object.assign(restore, {
    arm: (queue: Queue) => {
      putBack = swap(queue);
    },
  });
}

/** True when `value` equals `part`, or holds at least its fields. */
function holds(value: unknown, part: unknown): boolean {
  if (Array.isArray(part))
    return (
      Array.isArray(value) && value.length === part.length && part.every((item, i) => holds(value[i], item))
    );
  if (typeof part !== 'object' || part === null) return Object.is(value, part);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(part).every(([key, item]) => holds((value as Record<string, unknown>)[key], item));
}
