import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { createStorage, type Storage } from '../client.ts';
import type { StorageDriver } from '../driver.ts';

/** The test runner's two functions: vitest's, or those of `node:test`. */
export interface SuiteRunner {
  describe(name: string, fn: () => void): void;
  it(name: string, fn: () => Promise<void>): void;
}

/** What a driver under test is made of: a fresh, empty one each time. */
export interface StorageUnderTest {
  driver: StorageDriver;
  /** What unfinished writes have left behind: temporary files, open uploads, locks. Empty when all is well. */
  leftovers(): Promise<readonly string[]>;
}

/** Registers one test of the suite: a name, and what to do with a storage over a fresh driver. */
export type SuiteTest = (
  title: string,
  body: (storage: Storage, under: StorageUnderTest) => Promise<void>,
) => void;

/** Makes the `test` of a suite; each one closes its driver and looks for leftovers. */
export function suiteTest(
  { it }: SuiteRunner,
  make: () => StorageUnderTest | Promise<StorageUnderTest>,
): SuiteTest {
  return (title, body) =>
    it(title, async () => {
      const under = await make();
      const storage = createStorage({ driver: under.driver, env: {} });
      await storage.ready();
      try {
        await body(storage, under);
        assert.deepEqual(await remains(under), [], 'something was left behind');
      } finally {
        await storage.close();
      }
    });
}

/** What stays behind. A slow store may go on taking back an unfinished write after the call has ended. */
async function remains(under: StorageUnderTest): Promise<readonly string[]> {
  for (let left = 100; ; left -= 1) {
    const found = await under.leftovers();
    if (found.length === 0 || left === 0) return found;
    await sleep(100);
  }
}

/** The text under a key. */
export const textOf = async (storage: Storage, key: string): Promise<string> =>
  (await storage.get(key)).text();

/** Every key below a prefix. */
export async function keysOf(storage: Storage, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list({ prefix })) keys.push(key);
  return keys;
}

/** Yields `chunks` buffers of `size` bytes, each filled with its number. */
export async function* chunks(count: number, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i += 1) yield Buffer.alloc(size, i % 251);
}

/** Resolves like `work`, or fails after `ms`: for what must settle. */
export async function settles<T>(work: Promise<T>, ms = 10_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not settled after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
