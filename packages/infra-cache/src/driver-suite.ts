import assert from 'node:assert/strict';
import type { CacheDriver } from './driver.ts';

/** The test runner's two functions: vitest's, or those of `node:test`. */
export interface SuiteRunner {
  describe(name: string, fn: () => void): void;
  it(name: string, fn: () => Promise<void>): void;
}

/** What a driver under test is made of: a fresh one each time, and a way to let time pass for it. */
export interface DriverUnderTest {
  driver: CacheDriver;
  /** Lets `ms` pass: a fake clock's advance, or a real wait. */
  pass(ms: number): Promise<void>;
}

/** Registers the tests that every {@link CacheDriver} passes. `make` returns an empty driver each time. */
export function cacheDriverSuite(
  { describe, it }: SuiteRunner,
  name: string,
  make: () => DriverUnderTest | Promise<DriverUnderTest>,
): void {
  const test = (
    title: string,
    body: (driver: CacheDriver, pass: DriverUnderTest['pass']) => Promise<void>,
  ): void =>
    it(title, async () => {
      const { driver, pass } = await make();
      await driver.ready();
      try {
        await body(driver, pass);
      } finally {
        await driver.close();
      }
    });
  const one = async (driver: CacheDriver, key: string): Promise<string | undefined> =>
    (await driver.get([key]))[0];

  describe(`the cache driver contract: ${name}`, () => {
    test('returns texts in the order of the keys, undefined for a missing one', async (driver) => {
      await driver.set('a', '1', 1000);
      await driver.set('b', 'ü☃\u0000"', 1000);
      assert.deepEqual(await driver.get(['b', 'none', 'a']), ['ü☃\u0000"', undefined, '1']);
    });
    test('replaces a value and its expiry', async (driver, pass) => {
      await driver.set('k', 'old', 100);
      await driver.set('k', 'new', 5000);
      await pass(200);
      assert.equal(await one(driver, 'k'), 'new');
    });
    test('forgets an entry after its time', async (driver, pass) => {
      await driver.set('k', 'v', 100);
      assert.equal(await one(driver, 'k'), 'v');
      await pass(150);
      assert.equal(await one(driver, 'k'), undefined);
      assert.equal(await driver.delete(['k']), 0);
    });
    test('keeps what is there when asked to write only where nothing is', async (driver, pass) => {
      assert.equal(await driver.set('k', 'first', 100, { ifAbsent: true }), true);
      assert.equal(await driver.set('k', 'second', 100, { ifAbsent: true }), false);
      assert.equal(await one(driver, 'k'), 'first');
      await pass(150);
      assert.equal(await driver.set('k', 'third', 100, { ifAbsent: true }), true);
    });
    test('counts the entries it deleted', async (driver) => {
      await driver.set('a', '1', 1000);
      await driver.set('b', '2', 1000);
      assert.equal(await driver.delete(['a', 'b', 'none']), 2);
      assert.deepEqual(await driver.get(['a', 'b']), [undefined, undefined]);
    });
    test('gives a taken entry to one caller', async (driver) => {
      await driver.set('k', 'v', 1000);
      const taken = await Promise.all([driver.take('k'), driver.take('k'), driver.take('k')]);
      assert.deepEqual(
        taken.filter((text) => text !== undefined),
        ['v'],
      );
    });
    test('counts without losing a step and keeps the first expiry', async (driver, pass) => {
      await Promise.all(Array.from({ length: 20 }, () => driver.increment('n', 1, 200)));
      await pass(120);
      assert.equal(await driver.increment('n', -5, 60_000), 15);
      await pass(120);
      assert.equal(await driver.increment('n', 1, 1000), 1);
    });
    test('refuses to count on something that is no whole number', async (driver) => {
      await driver.set('k', '"text"', 1000);
      await assert.rejects(driver.increment('k', 1, 1000), { code: 'E_CACHE_COUNTER' });
      assert.equal(await one(driver, 'k'), '"text"');
    });
    test('gives an entry a new expiry, and says when there is none', async (driver, pass) => {
      await driver.set('k', 'v', 100);
      assert.equal(await driver.touch('k', 5000), true);
      await pass(200);
      assert.equal(await one(driver, 'k'), 'v');
      assert.equal(await driver.touch('none', 1000), false);
    });
    test('clears a prefix and leaves its neighbours', async (driver) => {
      for (const key of ['a:1', 'a:2', 'ab:1', 'a*:1']) await driver.set(key, 'v', 1000);
      await driver.clear('a:');
      assert.deepEqual(await driver.get(['a:1', 'a:2', 'ab:1', 'a*:1']), [undefined, undefined, 'v', 'v']);
    });
    test('closes twice without harm', async (driver) => {
      await driver.close();
    });
  });
}
