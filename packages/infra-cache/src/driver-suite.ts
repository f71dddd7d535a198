import assert from 'node:assert/strict';
import type { CacheDriver } from './driver.ts';

/** The test runner's two functions: vitest's, or those of `node:test`. */
export interface SuiteRunner {
  describe(name: string, fn: () => void): void;
  it(name: string, fn: () => Promise<void>): void;
}

/** What a driver under test is made of: one without entries each time, and a way to let time pass for it. */
export interface DriverUnderTest {
  driver: CacheDriver;
  /** Lets `ms` pass: a fake clock's advance, or a real wait. */
  pass(ms: number): Promise<void>;
}

/** Milliseconds that no test takes. The short ones of a real server are never relied on to be still there. */
const LONG = 600_000;

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
      await driver.set('a', '1', LONG);
      await driver.set('b', 'ü☃\u0000"', LONG);
      assert.deepEqual(await driver.get(['b', 'none', 'a', 'b']), ['ü☃\u0000"', undefined, '1', 'ü☃\u0000"']);
      assert.deepEqual(await driver.get([]), []);
    });
    test('keeps an empty text and a large one', async (driver) => {
      const large = 'x'.repeat(300_000);
      await driver.set('empty', '', LONG);
      await driver.set('large', large, LONG);
      const [empty, back] = await driver.get(['empty', 'large']);
      assert.equal(empty, '');
      assert.ok(back === large, 'the large text came back otherwise');
    });
    test('replaces a value and its expiry', async (driver, pass) => {
      await driver.set('k', 'old', 100);
      await driver.set('k', 'new', LONG);
      await pass(200);
      assert.equal(await one(driver, 'k'), 'new');
    });
    test('forgets an entry after its time', async (driver, pass) => {
      await driver.set('long', 'v', LONG);
      await driver.set('k', 'v', 100);
      await one(driver, 'k');
      await pass(150);
      assert.equal(await one(driver, 'k'), undefined);
      assert.equal(await one(driver, 'long'), 'v');
      assert.equal(await driver.delete(['k']), 0);
    });
    test('keeps what is there when asked to write only where nothing is', async (driver, pass) => {
      assert.equal(await driver.set('k', 'first', LONG, { ifAbsent: true }), true);
      assert.equal(await driver.set('k', 'second', LONG, { ifAbsent: true }), false);
      assert.equal(await one(driver, 'k'), 'first');
      await driver.set('gone', 'first', 100);
      await pass(150);
      assert.equal(await driver.set('gone', 'second', LONG, { ifAbsent: true }), true);
      assert.equal(await one(driver, 'gone'), 'second');
    });
    test('counts the entries it deleted', async (driver) => {
      await driver.set('a', '1', LONG);
      await driver.set('b', '2', LONG);
      await driver.set('c', '3', LONG);
      assert.equal(await driver.delete(['a', 'b', 'none', 'a']), 2);
      assert.deepEqual(await driver.get(['a', 'b', 'c']), [undefined, undefined, '3']);
      assert.equal(await driver.delete([]), 0);
    });
    test('takes many keys at once', async (driver) => {
      const keys = Array.from({ length: 1200 }, (_, i) => `many:${i}`);
      await Promise.all(keys.map((key) => driver.set(key, key, LONG)));
      assert.deepEqual(await driver.get(keys), keys);
      assert.equal(await driver.delete(keys.slice(0, 1100)), 1100);
      await driver.clear('many:');
      assert.ok((await driver.get(keys)).every((text) => text === undefined));
    });
    test('gives a taken entry to one caller, and removes it', async (driver) => {
      await driver.set('k', 'v', LONG);
      const taken = await Promise.all([driver.take('k'), driver.take('k'), driver.take('k')]);
      assert.deepEqual(
        taken.filter((text) => text !== undefined),
        ['v'],
      );
      assert.equal(await one(driver, 'k'), undefined);
    });
    test('counts without losing a step', async (driver) => {
      await Promise.all(Array.from({ length: 20 }, () => driver.increment('n', 1, LONG)));
      assert.equal(await driver.increment('n', -25, LONG), -5);
      assert.equal(await driver.increment('n', 0, LONG), -5);
      assert.equal(await one(driver, 'n'), '-5');
    });
    test('keeps the first expiry of a counter', async (driver, pass) => {
      await Promise.all([driver.increment('short', 1, 1500), driver.increment('short', 1, LONG)]);
      await Promise.all([driver.increment('long', 1, LONG), driver.increment('long', 1, 100)]);
      await pass(1600);
      assert.equal(await driver.increment('short', 1, LONG), 1);
      assert.equal(await driver.increment('long', 1, LONG), 3);
    });
    test('counts on a whole number that was stored, up to the largest that is exact', async (driver) => {
      const largest = Number.MAX_SAFE_INTEGER;
      await driver.set('n', String(largest - 1), LONG);
      assert.equal(await driver.increment('n', 1, LONG), largest);
      assert.equal(await one(driver, 'n'), String(largest));
      await assert.rejects(driver.increment('n', 1, LONG), { code: 'E_CACHE_COUNTER' });
      await driver.set('m', String(1 - largest), LONG);
      assert.equal(await driver.increment('m', -1, LONG), -largest);
      await assert.rejects(driver.increment('m', -1, LONG), { code: 'E_CACHE_COUNTER' });
    });
    test('refuses to count on something that is no whole number, and by no whole number', async (driver) => {
      for (const text of ['"text"', '', '1.5', '1e3', ' 1', '1\n', 'null']) {
        await driver.set('k', text, LONG);
        await assert.rejects(driver.increment('k', 1, LONG), { code: 'E_CACHE_COUNTER' });
        assert.equal(await one(driver, 'k'), text);
      }
      for (const by of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60])
        await assert.rejects(driver.increment('new', by, LONG), { code: 'E_CACHE_COUNTER' });
      assert.equal(await one(driver, 'new'), undefined);
    });
    test('gives an entry a new expiry, and says when there is none', async (driver, pass) => {
      await driver.set('shorter', 'v', LONG);
      await driver.set('longer', 'v', 1500);
      assert.equal(await driver.touch('longer', LONG), true);
      assert.equal(await driver.touch('shorter', 100), true);
      assert.equal(await driver.touch('none', 1000), false);
      assert.equal(await one(driver, 'longer'), 'v');
      await pass(1600);
      assert.deepEqual(await driver.get(['shorter', 'longer']), [undefined, 'v']);
      assert.equal(await driver.touch('shorter', LONG), false);
    });
    test('clears a prefix and leaves its neighbours', async (driver) => {
      for (const key of ['a:1', 'a:2', 'ab:1', 'a*:1', 'b:a:1']) await driver.set(key, 'v', LONG);
      await driver.clear('a:');
      assert.deepEqual(await driver.get(['a:1', 'a:2', 'ab:1', 'a*:1', 'b:a:1']), [
        undefined,
        undefined,
        'v',
        'v',
        'v',
      ]);
    });
    test('takes the characters of a prefix as they are', async (driver) => {
      for (const prefix of ['*', 'a*:', 'a?:', '[ab]:', '[^a]:', 'a\\:', 'a\\*:', '(a|b):', 'a-z:', 'ü:']) {
        const neighbours = ['ab:1', 'b:1', 'a:1', 'aa:1', 'z:1'];
        for (const key of [`${prefix}1`, ...neighbours]) await driver.set(key, 'v', LONG);
        await driver.clear(prefix);
        assert.deepEqual(
          await driver.get([`${prefix}1`, ...neighbours]),
          [undefined, ...neighbours.map(() => 'v')],
          `clear(${prefix})`,
        );
      }
    });
    test('closes twice without harm', async (driver) => {
      await driver.close();
    });
  });
}
