import assert from 'node:assert/strict';
import { compareKeys } from '../input.ts';
import { keysOf, type SuiteTest, textOf } from './runner.ts';

/** Keys that have tripped one store or another. */
const ODD_KEYS = [
  'plain.txt',
  'a b+c &=?#%.txt',
  '%41',
  '%2e%2e/%2F',
  'ünïcödé/日本語/🎉.png',
  'e\u0301 and \u00e9',
  'quote\'s"<>|:*;,@$^`{}[]~!()',
  '...',
  '.hidden',
  'ends.',
  'ends ',
  ' starts',
  'con',
  'nul.txt/aux',
  'a+',
  'a+/b',
  '-',
  '007',
  '1e3',
  '0x1F',
  'false',
  '<Key>&amp;</Key>',
  '\ufffe\uffff',
  '\uffe0 \u{1f600}',
  'x'.repeat(1024),
  `${'y'.repeat(300)}/${'ß'.repeat(200)}/z`,
  Array.from({ length: 400 }, (_, i) => i % 10).join('/'),
];

/** Which keys there can be. */
export function keyTests(test: SuiteTest): void {
  test('keeps files under every valid key, however odd, and lists them as they are', async (storage) => {
    for (const key of ODD_KEYS) await storage.put(key, `content of ${key}`);
    for (const key of ODD_KEYS) assert.equal(await textOf(storage, key), `content of ${key}`, key);
    assert.deepEqual(await keysOf(storage), [...ODD_KEYS].sort(compareKeys));
    for (const key of ODD_KEYS) await storage.copy(key, 'copied').then(() => storage.delete(key));
    assert.deepEqual(await keysOf(storage), ['copied']);
  });
  test('tells keys apart that differ by case or Unicode form alone', async (storage) => {
    const keys = ['Avatar.PNG', 'avatar.png', 'AVATAR.png', 'caf\u00e9', 'cafe\u0301'];
    for (const key of keys) await storage.put(key, key);
    for (const key of keys) assert.equal(await textOf(storage, key), key);
    await storage.delete('AVATAR.png');
    assert.equal((await keysOf(storage)).length, 4);
  });
  test('keeps a file and files below it side by side', async (storage) => {
    await storage.put('a/b/c', 'c');
    await storage.put('a', 'a');
    await storage.put('a/b', 'b');
    assert.deepEqual(await keysOf(storage), ['a', 'a/b', 'a/b/c']);
    await storage.delete('a/b');
    assert.equal(await textOf(storage, 'a/b/c'), 'c');
    await storage.delete('a/b/c');
    assert.equal(await textOf(storage, 'a'), 'a');
  });
  test('refuses keys that no store should meet', async (storage) => {
    const bad = [
      '',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      '../a',
      'a/./b',
      'a/../../b',
      'a\\b',
      'a\u0000b',
      'a\nb',
      'a\u007f',
      '\ud800',
      'ß'.repeat(513),
      undefined as unknown as string,
    ];
    for (const key of bad) {
      const failure = { code: 'E_STORAGE_KEY' };
      await assert.rejects(storage.put(key, 'x'), failure, JSON.stringify(key));
      await assert.rejects(storage.get(key), failure);
      await assert.rejects(storage.info(key), failure);
      await assert.rejects(storage.delete(key), failure);
      await assert.rejects(storage.copy('a', key), failure);
      await assert.rejects(storage.copy(key, 'a'), failure);
      await assert.rejects(storage.signedUrl(key, { expiresIn: '1m' }), failure);
    }
    assert.deepEqual(await keysOf(storage), []);
  });
}
