import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import type { Body } from '../input.ts';
import { chunks, keysOf, type SuiteTest, settles, textOf } from './runner.ts';

/** Conditions, limits, and writes that end early. The suite looks for leftovers after each test. */
export function writeTests(test: SuiteTest): void {
  test('writes only where nothing is: of many at once, one wins', async (storage) => {
    const writes = Array.from({ length: 12 }, (_, i) => storage.put('k', `writer ${i}`, { ifAbsent: true }));
    const results = await Promise.allSettled(writes);
    const winners = results.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
    assert.equal(winners.length, 1);
    for (const result of results)
      if (result.status === 'rejected') assert.equal(result.reason.code, 'E_STORAGE_EXISTS');
    assert.equal(await textOf(storage, 'k'), `writer ${winners[0]}`);
    await storage.delete('k');
    await storage.put('k', 'again', { ifAbsent: true });
  });
  test('writes only over the version it knows: of many at once, one wins', async (storage) => {
    const { etag } = await storage.put('k', 'first');
    const results = await Promise.allSettled(
      Array.from({ length: 12 }, (_, i) => storage.put('k', `writer ${i}`, { ifMatch: etag })),
    );
    const codes = results.map((result) => (result.status === 'rejected' ? result.reason.code : 'won'));
    assert.deepEqual(codes.filter((code) => code === 'won').length, 1);
    assert.deepEqual(codes.filter((code) => code === 'E_STORAGE_CONFLICT').length, 11);
    await assert.rejects(storage.put('none', 'x', { ifMatch: etag }), { code: 'E_STORAGE_CONFLICT' });
    assert.equal(await storage.exists('none'), false);
  });
  test('reads only the version asked for', async (storage) => {
    const { etag } = await storage.put('k', 'first');
    assert.equal(await (await storage.get('k', { ifMatch: `"${etag}"` })).text(), 'first');
    await storage.put('k', 'second');
    await assert.rejects(storage.get('k', { ifMatch: etag }), { code: 'E_STORAGE_CONFLICT' });
  });
  test('settles with the error of a source that fails, and keeps the former file', async (storage) => {
    await storage.put('k', 'former');
    const failure = new Error('source failed');
    const failing: Record<string, () => Body> = {
      iterable: async function* () {
        yield* chunks(20, 64 * 1024);
        throw failure;
      },
      'a Node stream, later': () =>
        new Readable({
          read() {
            this.push(Buffer.alloc(1000));
            this.destroy(failure);
          },
        }),
      'a Node stream, before its first read': () => new Readable({ read() {} }).destroy(failure),
      'a web stream': () =>
        new ReadableStream({
          pull(controller) {
            controller.error(failure);
          },
        }),
    };
    for (const [kind, body] of Object.entries(failing))
      await assert.rejects(settles(storage.put('k', body())), failure, kind);
    assert.equal(await textOf(storage, 'k'), 'former');
    assert.deepEqual(await keysOf(storage), ['k']);
  });
  test('settles with the reason of an abort, before, while a source flows and while it hangs', async (storage) => {
    const reason = new Error('changed my mind');
    await assert.rejects(storage.put('k', 'x', { signal: AbortSignal.abort(reason) }), reason);
    for (const hanging of [false, true]) {
      const controller = new AbortController();
      const source = (async function* () {
        yield* chunks(8, 64 * 1024);
        if (hanging) {
          setTimeout(() => controller.abort(reason), 10);
          await new Promise(() => undefined);
        }
        controller.abort(reason);
        yield* chunks(8, 64 * 1024);
      })();
      await assert.rejects(settles(storage.put('k', source, { signal: controller.signal })), reason);
    }
    assert.deepEqual(await keysOf(storage), []);
  });
  test('frees a stream that it does not read to the end', async (storage) => {
    const stream = new PassThrough();
    stream.write('x'.repeat(100));
    const closed = once(stream, 'close');
    await assert.rejects(storage.put('k', stream, { maxBytes: 10 }), { code: 'E_STORAGE_TOO_LARGE' });
    await settles(closed);
    await storage.put('k', 'x');
    const unread = new PassThrough();
    await assert.rejects(storage.put('k', unread, { ifAbsent: true }), { code: 'E_STORAGE_EXISTS' });
    assert.equal(unread.destroyed, true);
  });
  test('refuses a body over the limit as it flows, and takes one of just that size', async (storage) => {
    await storage.put('k', chunks(4, 1000), { maxBytes: 4000 });
    let taken = 0;
    const endless = (async function* () {
      for (;;) {
        taken += 1;
        yield Buffer.alloc(1000);
      }
    })();
    await assert.rejects(storage.put('k', endless, { maxBytes: 3999 }), { code: 'E_STORAGE_TOO_LARGE' });
    assert.ok(taken < 10);
    await assert.rejects(storage.put('k', 'x'.repeat(11), { maxBytes: 10 }), { code: 'E_STORAGE_TOO_LARGE' });
    assert.equal((await storage.info('k'))?.size, 4000);
  });
  test('stores a body only when its checksum is right', async (storage) => {
    const sha256 = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    await storage.put('k', 'abc', { checksum: sha256 });
    await storage.put('k', Readable.from(['a', 'bc']), { checksum: 'md5:kAFQmDzST7DWlj99KOF/cg==' });
    await assert.rejects(storage.put('k', 'abd', { checksum: sha256 }), { code: 'E_STORAGE_CHECKSUM' });
    assert.equal(await textOf(storage, 'k'), 'abc');
  });
  test('holds a bounded part of a stream in memory', async (storage) => {
    const mebibyte = 1024 * 1024;
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const source = (async function* () {
      for (let i = 0; i < 256; i += 1) {
        yield Buffer.alloc(mebibyte, i);
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }
    })();
    assert.equal((await storage.put('k', source)).size, 256 * mebibyte);
    assert.ok(most < 128 * mebibyte, `${Math.round(most / mebibyte)} of 256 MiB were in memory at once`);
  });
  test('gives readers one whole version while writers replace it', async (storage) => {
    const sizes = [10, 300_000, 1_000_000];
    await storage.put('k', Buffer.alloc(10, 1), { metadata: { size: '10' } });
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 15; i += 1) {
        const size = sizes[i % 3]!;
        await storage.put('k', Buffer.alloc(size, 1), { metadata: { size: String(size) } });
      }
      writing = false;
    })();
    while (writing) {
      const file = await storage.get('k');
      const bytes = await file.bytes();
      assert.equal(bytes.byteLength, file.info.size);
      assert.equal(file.info.metadata.size, String(bytes.byteLength));
    }
    await writer;
  });
  test('tells how far it is', async (storage) => {
    const seen: unknown[] = [];
    await storage.put('k', 'abc', { onProgress: (progress) => seen.push(progress) });
    assert.deepEqual(seen, [{ bytes: 3, total: 3 }]);
    const running: number[] = [];
    await storage.put('k', chunks(3, 10), { onProgress: ({ bytes }) => running.push(bytes) });
    assert.deepEqual(running, [10, 20, 30]);
  });
  test('closes twice without harm, and refuses work after it', async (storage) => {
    await storage.close();
    await storage.close();
    await assert.rejects(storage.put('k', 'x'), { code: 'E_STORAGE_CLOSED' });
    await assert.rejects(storage.list().page(), { code: 'E_STORAGE_CLOSED' });
  });
}
