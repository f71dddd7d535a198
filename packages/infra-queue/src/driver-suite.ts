import { type DriverUnderTest, type Test, withBench } from './suite/bench.ts';
import { control } from './suite/control.ts';
import { gates } from './suite/gates.ts';
import { handingOut } from './suite/handing-out.ts';
import { keepLast } from './suite/keep-last.ts';
import { listing } from './suite/listing.ts';
import { outcomes } from './suite/outcomes.ts';
import { scheduling } from './suite/scheduling.ts';
import { uniqueJobs } from './suite/unique-jobs.ts';

export type { DriverUnderTest } from './suite/bench.ts';

/** The test runner's two functions: vitest's, or those of `node:test`. */
export interface SuiteRunner {
  describe(name: string, fn: () => void): void;
  it(name: string, fn: () => Promise<void>): void;
}

/** Registers the tests that every {@link QueueDriver} passes. `make` returns an empty driver each time. */
export function queueDriverSuite(
  { describe, it }: SuiteRunner,
  name: string,
  make: () => DriverUnderTest | Promise<DriverUnderTest>,
): void {
  const test: Test = (title, body) => it(title, async () => withBench(await make(), body));
  describe(`the queue driver contract: ${name}`, () => {
    handingOut(test);
    outcomes(test);
    uniqueJobs(test);
    keepLast(test);
    gates(test);
    control(test);
    listing(test);
    scheduling(test);
  });
}
