import assert from 'node:assert/strict';
import type { Consumer, NewJob, Outcome, Process, QueueDriver } from '../driver.ts';

/** What a driver under test is made of: an empty one each time, and a way to let time pass for it. */
export interface DriverUnderTest {
  driver: QueueDriver;
  /** Lets `ms` pass: a fake clock's advance, or a real wait. */
  pass(ms: number): Promise<void>;
}

/** What a test of the suite works with. */
export interface Bench extends DriverUnderTest {
  /** Serves a queue; closed at the end of the test. */
  serve(process: Process, concurrency?: number, queue?: string): Consumer;
  /** Waits until `check` is true, and fails when it never is. */
  until(check: () => boolean | Promise<boolean>, what: string): Promise<void>;
}

let count = 0;
/** A job to add, with what matters to a test. */
export const newJob = (given: Partial<NewJob> = {}): NewJob => ({
  id: `job-${++count}`,
  name: 'task',
  queue: 'default',
  payload: '{}',
  meta: {},
  priority: 'normal',
  attempts: 3,
  delay: 0,
  ...given,
});

/** The plain outcome. */
export const done: Outcome = { type: 'done' };
/** A promise to be kept later. */
export function gate(): { open: () => void; opened: Promise<void> } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** Registers one test of the suite. */
export type Test = (title: string, body: (bench: Bench) => Promise<void>) => void;

/** Runs `body` on a driver, and closes what it opened. */
export async function withBench(made: DriverUnderTest, body: (bench: Bench) => Promise<void>): Promise<void> {
  const { driver, pass } = made;
  const consumers: Consumer[] = [];
  await driver.ready();
  try {
    await body({
      driver,
      pass,
      serve(process, concurrency = 10, queue = 'default') {
        const consumer = driver.consume(queue, concurrency, process);
        consumers.push(consumer);
        return consumer;
      },
      async until(check, what) {
        for (let tries = 0; !(await check()); tries += 1) {
          assert.ok(tries < 2000, `never happened: ${what}`);
          await pass(10);
        }
      },
    });
  } finally {
    await Promise.all(consumers.map((consumer) => consumer.close()));
    await driver.close();
    await driver.close();
  }
}
