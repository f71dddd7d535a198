import { contentTests } from './suite/content.ts';
import { keyTests } from './suite/keys.ts';
import { listTests } from './suite/lists.ts';
import { type StorageUnderTest, type SuiteRunner, suiteTest } from './suite/runner.ts';
import { writeTests } from './suite/writes.ts';

export type { StorageUnderTest, SuiteRunner } from './suite/runner.ts';

/** Registers the tests that every {@link StorageDriver} passes. `make` returns a fresh, empty driver each time. */
export function storageDriverSuite(
  runner: SuiteRunner,
  name: string,
  make: () => StorageUnderTest | Promise<StorageUnderTest>,
): void {
  const test = suiteTest(runner, make);
  runner.describe(`the storage driver contract: ${name}`, () => {
    contentTests(test);
    keyTests(test);
    listTests(test);
    writeTests(test);
  });
}
