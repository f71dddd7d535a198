import assert from 'node:assert/strict';
import { keysOf, type SuiteTest } from './runner.ts';

/** Listing, and deleting what is listed. */
export function listTests(test: SuiteTest): void {
  test('lists over more than one page, each key once and in order', async (storage) => {
    const keys = Array.from({ length: 1203 }, (_, i) => `many/${String(i).padStart(5, '0')}`);
    for (let at = 0; at < keys.length; at += 50)
      await Promise.all(keys.slice(at, at + 50).map((key) => storage.put(key, '')));
    assert.deepEqual(await keysOf(storage, 'many/'), keys);
    const first = await storage.list({ prefix: 'many/' }).page();
    assert.equal(first.files.length, 1000);
    const second = await storage.list({ prefix: 'many/' }).page(first.next);
    assert.deepEqual([second.files.length, second.next], [203, undefined]);
    const { deleted, failed } = await storage.deletePrefix('many/');
    assert.deepEqual([deleted, failed], [keys, []]);
    assert.deepEqual(await keysOf(storage), []);
  });
  test('lists below a prefix and leaves its neighbours alone', async (storage) => {
    const keys = ['users/1', 'users/1/a', 'users/1/b/c', 'users/10/a', 'users/1a', 'users'];
    for (const key of keys) await storage.put(key, key);
    assert.deepEqual(await keysOf(storage, 'users/1/'), ['users/1/a', 'users/1/b/c']);
    const dry = await storage.deletePrefix('users/1/', { dryRun: true });
    assert.deepEqual(dry.deleted, ['users/1/a', 'users/1/b/c']);
    assert.equal((await keysOf(storage)).length, 6);
    await storage.deletePrefix('users/1/');
    assert.deepEqual(await keysOf(storage), ['users', 'users/1', 'users/10/a', 'users/1a']);
  });
  test('refuses a prefix without its slash, and never takes everything for one', async (storage) => {
    await storage.put('users/1', 'x');
    for (const prefix of ['users', '']) {
      await assert.rejects(storage.deletePrefix(prefix), { code: 'E_STORAGE_PREFIX' });
      assert.throws(() => storage.scope(prefix), { code: 'E_STORAGE_PREFIX' });
    }
    await assert.rejects(storage.list({ prefix: 'users' }).page(), { code: 'E_STORAGE_PREFIX' });
    await assert.rejects(storage.deletePrefix('../'), { code: 'E_STORAGE_KEY' });
    assert.equal(await storage.exists('users/1'), true);
  });
  test('goes by the bytes of UTF-8, in which what JavaScript puts first comes last', async (storage) => {
    const keys = ['B', 'a', 'a b', 'a-b', 'a/b', 'a0', 'é', '\uff61', '\u{1f600}'];
    for (const key of keys.toReversed()) await storage.put(key, '');
    assert.deepEqual(await keysOf(storage), keys);
    const after: string[] = [];
    for await (const { key } of storage.list({ after: '\uff61' })) after.push(key);
    assert.deepEqual(after, ['\u{1f600}']);
  });
  test('tells size, etag and time of what it lists', async (storage) => {
    const { size, etag } = await storage.put('k', 'four');
    const [file] = (await storage.list().page()).files;
    assert.deepEqual([file?.key, file?.size, file?.etag], ['k', size, etag]);
    assert.ok(file?.lastModified instanceof Date);
  });
  test('folds what lies deeper, over pages, each prefix once', async (storage) => {
    for (const key of ['a', 'a-b', 'a/1', 'a/2/3', 'b/1', 'c', 'd/1', 'd/2']) await storage.put(key, '');
    const whole = await storage.list({ delimiter: '/' }).page();
    assert.deepEqual(
      whole.files.map(({ key }) => key),
      ['a', 'a-b', 'c'],
    );
    assert.deepEqual(whole.prefixes, ['a/', 'b/', 'd/']);
    const seen: string[] = [];
    for (let next: string | undefined, more = true; more; more = next !== undefined) {
      const page = await storage.list({ delimiter: '/', limit: 1 }).page(next);
      assert.equal(page.files.length + page.prefixes.length, 1);
      seen.push(...page.files.map(({ key }) => key), ...page.prefixes);
      next = page.next;
    }
    assert.deepEqual(seen, ['a', 'a-b', 'a/', 'b/', 'c', 'd/']);
    const inner = await storage.list({ prefix: 'a/', delimiter: '/' }).page();
    assert.deepEqual([inner.files.map(({ key }) => key), inner.prefixes], [['a/1'], ['a/2/']]);
  });
  test('starts behind a key, there or not, and stops at a limit', async (storage) => {
    for (const key of ['a/1', 'a/2', 'a/3', 'b']) await storage.put(key, '');
    const keys = async (options: { after?: string; limit?: number }): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of storage.list(options)) found.push(key);
      return found;
    };
    assert.deepEqual(await keys({ after: 'a/2' }), ['a/3', 'b']);
    assert.deepEqual(await keys({ after: 'a/25' }), ['a/3', 'b']);
    assert.deepEqual(await keys({ after: 'a' }), ['a/1', 'a/2', 'a/3', 'b']);
    assert.deepEqual(await keys({ after: 'b' }), []);
    assert.deepEqual(await keys({ limit: 2 }), ['a/1', 'a/2']);
    assert.deepEqual(await keys({ after: 'a/1', limit: 2 }), ['a/2', 'a/3']);
    const { prefixes } = await storage.list({ delimiter: '/', after: 'a/2' }).page();
    assert.deepEqual(prefixes, ['a/']);
    assert.deepEqual((await storage.list({ delimiter: '/', after: 'a/3' }).page()).prefixes, []);
  });
  test('deletes many and reports each; a missing one counts as deleted', async (storage) => {
    await storage.put('a', '1');
    await storage.put('b', '2');
    assert.deepEqual(await storage.deleteMany(new Set(['a', 'none', 'b'])), {
      deleted: ['a', 'none', 'b'],
      failed: [],
    });
    assert.deepEqual(await keysOf(storage), []);
    assert.deepEqual(await storage.deleteMany([]), { deleted: [], failed: [] });
  });
}
