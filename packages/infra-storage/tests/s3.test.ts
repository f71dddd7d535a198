import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { systemClock } from '@vibeonrails/infra-core';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createStorage, type Storage } from '../src/client.ts';
import type { S3Account } from '../src/drivers/s3/address.ts';
import { openUploads } from '../src/drivers/s3/objects.ts';
import { openStore } from '../src/drivers/s3/store.ts';
import { s3Driver } from '../src/drivers/s3.ts';
import { chunks, settles } from '../src/suite/runner.ts';
import { newBucket, uploadsIn } from './s3.ts';
import { eventually } from './temporary.ts';

const MIB = 1024 * 1024;

describeWith('s3', 'files in a bucket', (server) => {
  let storage: Storage;
  let account: S3Account;
  beforeAll(async () => {
    const made = await newBucket(server());
    account = made.account;
    storage = createStorage({ driver: made.driver, env: {} });
  });
  afterAll(() => storage.close());
  const orphans = (): Promise<string[]> => uploadsIn(account);

  test('it is chosen, made and reached by environment variables alone', async () => {
    const made = createStorage({
      env: {
        NODE_ENV: 'production',
        S3_BUCKET: `${account.bucket}-2`,
        S3_ENDPOINT: account.endpoint,
        AWS_REGION: account.region,
        AWS_ACCESS_KEY_ID: account.accessKeyId,
        AWS_SECRET_ACCESS_KEY: account.secretAccessKey,
      },
    });
    await expect(made.ready()).rejects.toMatchObject({ code: 'E_STORAGE_BUCKET', retryable: false });
    await expect(made.put('k', 'x')).rejects.toMatchObject({ code: 'E_STORAGE_BUCKET' });
    await expect(made.get('k')).rejects.toMatchObject({ code: 'E_STORAGE_BUCKET' });
    await Promise.all([made.ensureBucket(), made.ensureBucket()]);
    await made.ensureBucket();
    await made.ready();
    await made.ping();
    await made.put('k', 'x');
    expect(await (await made.get('k')).text()).toBe('x');
    await made.close();
  });

  test('a wrong key is one error, without the secret', async () => {
    for (const wrong of [{ secretAccessKey: 'a wrong secret' }, { accessKeyId: 'nobody' }]) {
      const driver = s3Driver({ account: { ...account, ...wrong }, timeout: 20_000, clock: systemClock });
      const made = createStorage({ driver, env: {} });
      const calls = [
        () => made.ready(),
        () => made.put('k', 'x'),
        () => made.get('k'),
        () => made.list().page(),
      ];
      for (const call of calls) {
        const err = await call().catch((thrown: unknown) => thrown);
        expect(err).toMatchObject({ code: 'E_STORAGE_ACCESS', retryable: false });
        const shown = `${String(err)} ${JSON.stringify(err)} ${String((err as Error).cause)}`;
        for (const part of [account.secretAccessKey, 'a wrong secret']) expect(shown).not.toContain(part);
      }
      await made.close();
    }
  });

  test.each([0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 16 * MIB + 1, 64 * MIB])(
    'a stream of %d bytes is stored whole',
    async (size) => {
      const bytes = randomBytes(size);
      const stream = async function* (): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < size; at += 1_000_003) yield bytes.subarray(at, at + 1_000_003);
      };
      const info = await storage.put('sized', stream(), { contentType: 'a/b', metadata: { a: 'ü' } });
      expect(info).toMatchObject({ size, contentType: 'a/b', metadata: { a: 'ü' } });
      expect(await storage.info('sized')).toMatchObject({ size, etag: info.etag, metadata: { a: 'ü' } });
      const found = await (await storage.get('sized')).bytes();
      expect(digest(found)).toBe(digest(bytes));
    },
  );

  test('a stream of 160 MiB takes memory for a few parts', async () => {
    const child = fileURLToPath(new URL('upload.child.ts', import.meta.url));
    const args = ['--import', 'tsx', '--conditions', '@vibeonrails/infra-source', child];
    const run = promisify(execFile)(process.execPath, [...args, JSON.stringify(account), '160']);
    const { grown, size } = JSON.parse((await run).stdout) as { grown: number; size: number };
    expect(size).toBe(160 * MIB);
    expect(grown).toBeLessThan(120 * MIB);
  }, 60_000);

  test('of big writers at once to one key each is whole, and one stays', async () => {
    const infos = await Promise.all(
      [1, 2, 3].map((fill) => storage.put('together', repeated(Buffer.alloc(MIB, fill), 10 + fill))),
    );
    const { etag, size } = (await storage.info('together'))!;
    expect(infos.map((info) => info.etag)).toContain(etag);
    const bytes = await (await storage.get('together')).bytes();
    expect(bytes.byteLength).toBe(size);
    expect(new Set(bytes)).toEqual(new Set([size / MIB - 10]));
    expect(await orphans()).toEqual([]);
  });

  test('a source that fails in the middle ends the upload and leaves no parts', async () => {
    const failure = new Error('source failed');
    await storage.put('k', 'former');
    const body = async function* (): AsyncGenerator<Uint8Array> {
      yield* chunks(30, MIB);
      throw failure;
    };
    await expect(storage.put('k', body())).rejects.toBe(failure);
    await eventually(async () => (await orphans()).length === 0);
    expect(await (await storage.get('k')).text()).toBe('former');
  });

  test('an abort in the middle ends the upload and leaves no parts, whether the source flows or hangs', async () => {
    const reason = new Error('changed my mind');
    for (const hangs of [false, true]) {
      const controller = new AbortController();
      const body = async function* (): AsyncGenerator<Uint8Array> {
        yield* chunks(20, MIB);
        setTimeout(() => controller.abort(reason), 20);
        if (hangs) await new Promise(() => undefined);
        for (;;) yield* chunks(1, MIB);
      };
      await expect(settles(storage.put('aborted', body(), { signal: controller.signal }))).rejects.toBe(
        reason,
      );
      // A store that is slow to take its parts back may go on after the call has ended.
      await eventually(async () => (await orphans()).length === 0);
    }
    expect(await storage.exists('aborted')).toBe(false);
  });

  test('a body that is too long, or has another digest, is refused after parts have gone, and leaves none', async () => {
    const refused = { maxBytes: 20 * MIB };
    await expect(storage.put('long', chunks(21, MIB), refused)).rejects.toMatchObject({
      code: 'E_STORAGE_TOO_LARGE',
    });
    const checksum = `sha256:${'0'.repeat(64)}` as const;
    await expect(storage.put('long', chunks(17, MIB), { checksum })).rejects.toMatchObject({
      code: 'E_STORAGE_CHECKSUM',
    });
    expect(await orphans()).toEqual([]);
    expect(await storage.exists('long')).toBe(false);
  });

  test('conditions hold for a body in parts', async () => {
    const big = (): AsyncIterable<Uint8Array> => chunks(9, MIB);
    const { etag } = await storage.put('parts', big(), { ifAbsent: true });
    await expect(storage.put('parts', big(), { ifAbsent: true })).rejects.toMatchObject({
      code: 'E_STORAGE_EXISTS',
    });
    await expect(storage.put('parts', big(), { ifMatch: 'other' })).rejects.toMatchObject({
      code: 'E_STORAGE_CONFLICT',
      message: expect.stringContaining(etag),
    });
    expect((await storage.put('parts', big(), { ifMatch: etag })).etag).toBe(etag);
    expect(await orphans()).toEqual([]);
  });

  test('sweepUploads takes away what is old, over pages', async () => {
    const store = openStore(account, 10_000);
    for (const key of ['a b', 'é', '%2F', 'e/1', 'e/1'])
      await store.send({ what: 'begin', method: 'POST', key, query: { uploads: '' } });
    const seen: string[] = [];
    for await (const { key } of openUploads(store, { page: 2 })) seen.push(key);
    store.close();
    expect(seen.sort()).toEqual(['%2F', 'a b', 'e/1', 'e/1', 'é']);
    expect(await storage.sweepUploads({ olderThan: '1h' })).toBe(0);
    expect(await orphans()).toHaveLength(5);
    let swept = 0;
    await eventually(async () => {
      swept += await storage.sweepUploads({ olderThan: 0 });
      return swept === 5;
    });
    expect(await orphans()).toEqual([]);
  });

  test('values of metadata come back as they were', async () => {
    const values = [
      '',
      ' ',
      ' edges ',
      'two  spaces',
      '100%',
      '%41',
      'ü',
      '日本語 🎉',
      '=?UTF-8?B?w7w=?=',
      '"\\,;',
      'a'.repeat(1900),
    ];
    for (const value of values) {
      await storage.put('meta', 'x', { metadata: { 'x-1': value } });
      expect((await storage.info('meta'))?.metadata).toEqual({ 'x-1': value });
      await storage.copy('meta', 'meta/copy');
      expect((await storage.info('meta/copy'))?.metadata).toEqual({ 'x-1': value });
    }
  });

  test('a file that is larger than the store copies is copied through this process', async () => {
    const driver = s3Driver({ account, timeout: 20_000, clock: systemClock, copyLimit: 3 });
    await storage.put('four', 'four', { metadata: { a: '1' }, cacheControl: 'no-store' });
    const copy = await driver.copy('four', 'copy/of four');
    expect(copy).toMatchObject({
      key: 'copy/of four',
      size: 4,
      metadata: { a: '1' },
      cacheControl: 'no-store',
    });
    expect(await (await storage.get('copy/of four')).text()).toBe('four');
    await driver.close();
  });

  test('2300 files go in batches, and each is reported', async () => {
    const keys = Array.from({ length: 2300 }, (_, i) => `many/${i} & <${i}>`);
    await storage.put(keys[2200]!, 'x');
    const { deleted, failed } = await storage.deleteMany(keys);
    expect([deleted.length, failed]).toEqual([2300, []]);
    expect(await storage.exists(keys[2200]!)).toBe(false);
  });

  test('a signed URL is answered by the store, under any key, in parts and under another name', async () => {
    for (const key of ['a b+c &=?#%.txt', 'ünï/日本語/🎉', "quote'(s)*!~", '007']) {
      await storage.put(key, `content of ${key}`);
      const url = await storage.signedUrl(key, { expiresIn: '1m', download: 'mine "ü".txt' });
      const response = await fetch(url);
      expect(await response.text()).toBe(`content of ${key}`);
      expect(response.headers.get('content-disposition')).toContain(
        "filename*=UTF-8''mine%20%22%C3%BC%22.txt",
      );
      const part = await fetch(url, { headers: { range: 'bytes=0-6' } });
      expect([part.status, await part.text()]).toEqual([206, 'content']);
    }
  });

  test('a signed URL holds for its key and method, and until its time', async () => {
    await storage.put('signed/k', 'x');
    await storage.put('signed/other', 'x');
    const url = new URL(await storage.signedUrl('signed/k', { expiresIn: '1m' }));
    const status = async (change: (url: URL) => void, init: RequestInit = {}): Promise<number> => {
      const changed = new URL(url);
      change(changed);
      const response = await fetch(changed, init);
      await response.text();
      return response.status;
    };
    expect(await status(() => undefined)).toBe(200);
    expect(await status((u) => (u.pathname = u.pathname.replace('signed/k', 'signed/other')))).toBe(403);
    expect(await status((u) => u.searchParams.set('X-Amz-Expires', '3600'))).toBe(403);
    expect(await status((u) => u.searchParams.set('response-content-type', 'text/html'))).toBe(403);
    expect(await status(() => undefined, { method: 'DELETE' })).toBe(403);
    const past = { now: () => Date.now() - 3_600_000, after: systemClock.after };
    const driver = s3Driver({ account, timeout: 5000, clock: past });
    const expired = await driver.signedUrl('signed/k', { expiresAt: past.now() + 60_000 });
    expect((await fetch(expired)).status).toBe(403);
    await driver.close();
  });

  test('a signed upload stores a body of its size and type, and no other', async () => {
    const key = 'uploads/ü &.png';
    const { url, method, headers } = await storage.signedUpload(key, {
      expiresIn: '1m',
      maxBytes: 10,
      types: ['image/*'],
      size: 6,
      type: 'image/png',
    });
    const send = async (body: string, more: Record<string, string> = {}, to = url): Promise<number> => {
      const response = await fetch(to, { method, body, headers: { ...headers, ...more } });
      await response.text();
      return response.status;
    };
    expect(await send('seven!!')).toBe(403);
    expect(await send('five!')).toBe(403);
    expect(await send('pixels', { 'content-type': 'text/html' })).toBe(403);
    expect(await send('pixels', {}, url.replace('uploads/', 'downloads/'))).toBe(403);
    expect(await storage.exists(key)).toBe(false);
    expect(await send('pixels')).toBe(200);
    expect(await storage.info(key)).toMatchObject({ size: 6, contentType: 'image/png' });
  });
});

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function* repeated(chunk: Uint8Array, times: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < times; i += 1) yield chunk;
}
