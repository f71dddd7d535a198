import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { chunks, type SuiteTest, textOf } from './runner.ts';

/** What is put is what is got. */
export function contentTests(test: SuiteTest): void {
  test('returns the bytes of every kind of body', async (storage) => {
    const bodies = {
      text: 'grüße ☃',
      bytes: Buffer.from('grüße ☃'),
      blob: new Blob(['grüße', ' ☃']),
      web: new Response('grüße ☃').body!,
      node: Readable.from([Buffer.from('grüße'), ' ☃'], { objectMode: false }),
      iterable: (async function* () {
        yield Buffer.from('grüße');
        yield new Uint8Array();
        yield Buffer.from(' ☃');
      })(),
    };
    for (const [key, body] of Object.entries(bodies)) {
      const info = await storage.put(key, body);
      assert.equal(info.size, Buffer.byteLength('grüße ☃'), key);
      assert.equal(await textOf(storage, key), 'grüße ☃', key);
    }
  });
  test('stores an empty body of every kind', async (storage) => {
    const bodies = { text: '', bytes: new Uint8Array(), blob: new Blob([]), stream: Readable.from([]) };
    for (const [key, body] of Object.entries(bodies)) {
      assert.equal((await storage.put(key, body)).size, 0, key);
      assert.equal(await textOf(storage, key), '', key);
      assert.equal((await storage.info(key))?.size, 0, key);
    }
  });
  test('stores a big body of unknown length and returns it whole', async (storage) => {
    const hash = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
      const digest = createHash('sha256');
      for await (const chunk of body) digest.update(chunk);
      return digest.digest('hex');
    };
    const info = await storage.put('big', chunks(37, 512 * 1024 + 7));
    assert.equal(info.size, 37 * (512 * 1024 + 7));
    const { stream } = await storage.get('big');
    assert.equal(
      await hash(stream as unknown as AsyncIterable<Uint8Array>),
      await hash(chunks(37, 512 * 1024 + 7)),
    );
  });
  test('keeps type, metadata and headers with the content, and returns the same from put, get and info', async (storage) => {
    const options = {
      contentType: 'text/plain; charset=utf-8',
      metadata: { Owner: 'Jürgen & co, 100%', 'x-2': '' },
      cacheControl: 'public, max-age=60',
      disposition: 'attachment; filename="a.txt"',
    };
    const put = await storage.put('a.txt', 'x', options);
    assert.equal(put.contentType, options.contentType);
    assert.deepEqual(put.metadata, { owner: 'Jürgen & co, 100%', 'x-2': '' });
    assert.equal(put.cacheControl, options.cacheControl);
    assert.equal(put.disposition, options.disposition);
    assert.ok(put.lastModified instanceof Date);
    const info = await storage.info('a.txt');
    assert.ok(info);
    assert.deepEqual({ ...info, lastModified: put.lastModified }, put);
    // An object store does not say in its answer to a write when that was; its clock's full second comes close.
    assert.ok(Math.abs(info.lastModified.getTime() - put.lastModified.getTime()) <= 2000);
    const file = await storage.get('a.txt');
    assert.deepEqual(file.info, info);
    await file.cancel();
  });
  test('replaces a file with all that belonged to it', async (storage) => {
    const first = await storage.put('k', 'one', { metadata: { a: '1' }, cacheControl: 'no-store' });
    const second = await storage.put('k', 'three', { contentType: 'text/css' });
    assert.notEqual(second.etag, first.etag);
    const info = await storage.info('k');
    assert.deepEqual([info?.size, info?.contentType, info?.metadata], [5, 'text/css', {}]);
    assert.equal(info?.cacheControl, undefined);
  });
  test('says that a missing file is missing', async (storage) => {
    await assert.rejects(storage.get('none'), { code: 'E_STORAGE_NOT_FOUND', key: 'none' });
    await assert.rejects(storage.copy('none', 'k'), { code: 'E_STORAGE_NOT_FOUND' });
    assert.equal(await storage.info('none'), undefined);
    assert.equal(await storage.exists('none'), false);
    await storage.delete('none');
  });
  test('reads ranges, counted from 0 with both ends in', async (storage) => {
    await storage.put('k', '0123456789');
    const range = async (start: number, end?: number): Promise<string> => {
      const file = await storage.get('k', { range: { start, ...(end === undefined ? {} : { end }) } });
      assert.equal(file.info.size, 10);
      return file.text();
    };
    assert.equal(await range(0, 0), '0');
    assert.equal(await range(3, 5), '345');
    assert.equal(await range(7), '789');
    assert.equal(await range(8, 100), '89');
    await assert.rejects(range(10), { code: 'E_STORAGE_RANGE', size: 10 });
    await storage.put('empty', '');
    await assert.rejects(storage.get('empty', { range: { start: 0 } }), { code: 'E_STORAGE_RANGE' });
  });
  test('goes on with the version it opened when the file is replaced or deleted meanwhile', async (storage) => {
    await storage.put('k', chunks(64, 64 * 1024));
    const replaced = await storage.get('k');
    const deleted = await storage.get('k');
    await storage.put('k', 'short');
    await storage.delete('k');
    assert.equal((await replaced.bytes()).byteLength, 64 * 64 * 1024);
    assert.equal((await deleted.bytes()).byteLength, 64 * 64 * 1024);
  });
  test('copies and moves a file with what belongs to it', async (storage) => {
    await storage.put('from', 'x', {
      metadata: { a: '1' },
      contentType: 'text/css',
      cacheControl: 'no-cache',
    });
    const copy = await storage.copy('from', 'deep/copy');
    assert.deepEqual([copy.key, copy.contentType, copy.metadata], ['deep/copy', 'text/css', { a: '1' }]);
    await storage.move('from', 'moved');
    assert.equal(await storage.exists('from'), false);
    const { etag, cacheControl } = (await storage.info('moved'))!;
    assert.deepEqual([etag, cacheControl], [copy.etag, 'no-cache']);
    await storage.move('moved', 'moved');
    await storage.copy('moved', 'moved');
    assert.equal(await textOf(storage, 'moved'), 'x');
  });
}
