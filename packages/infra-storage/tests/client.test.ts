import { Readable } from 'node:stream';
import { once, subscribeOperation } from '@vibeonrails/infra-core';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { afterAll, expect, test } from 'vitest';
import { createStorage } from '../src/client.ts';
import type { StorageDriver } from '../src/driver.ts';
import { library } from '../src/errors.ts';
import type { PutOptions } from '../src/files.ts';
import type { Body } from '../src/input.ts';
import { eventually, openFiles, temporaryFolders } from './temporary.ts';

const dir = temporaryFolders()();
const clock = fakeClock();
const storage = createStorage({ dir, clock, env: {} });
afterAll(() => storage.close());

test.each<[string, Body, string]>([
  ['a.png', 'x', 'image/png'],
  ['a.PNG', new Uint8Array(), 'image/png'],
  ['a.txt', 'x', 'text/plain; charset=utf-8'],
  ['a.html', new Uint8Array(), 'text/html'],
  ['a.json', 'x', 'application/json'],
  ['a', 'x', 'text/plain; charset=utf-8'],
  ['a', new Uint8Array(), 'application/octet-stream'],
  ['a', new Blob(['x'], { type: 'image/gif' }), 'image/gif'],
  ['a.png', new Blob(['x'], { type: 'text/html' }), 'image/png'],
  ['a', new Blob(['x'], { type: 'no type' }), 'application/octet-stream'],
  ['png', new Uint8Array(), 'application/octet-stream'],
  ['a.b/c', new Uint8Array(), 'application/octet-stream'],
])('the type of %s with %o is %s', async (key, body, type) => {
  expect((await storage.put(key, body)).contentType).toBe(type);
});

test.each<PutOptions>([
  { contentType: 'png' },
  { contentType: 'text/html\r\nset-cookie: a=b' },
  { contentType: '' },
  { metadata: { 'no spaces': 'x' } },
  { metadata: { '': 'x' } },
  { metadata: { a: 'two\nlines' } },
  { metadata: { a: 1 as never } },
  { metadata: { a: 'x'.repeat(2048) } },
  { cacheControl: 'a\r\nb' },
  { cacheControl: '' },
  { disposition: 'attachment; filename="ü"' },
  { ifAbsent: true, ifMatch: 'x' },
  { maxBytes: -1 },
  { maxBytes: Number.NaN },
  { checksum: 'sha256:abc' },
  { checksum: 'crc32:00000000' as never },
])('the option %o is refused and nothing is stored', async (options) => {
  await expect(storage.put('refused', 'x', options)).rejects.toMatchObject({ code: 'E_STORAGE_OPTION' });
  expect(await storage.exists('refused')).toBe(false);
});

test('a body that is none, or was read before, is refused', async () => {
  const consumed = new Response('x');
  const { body } = consumed;
  await consumed.text();
  const locked = new ReadableStream();
  locked.getReader();
  const ended = Readable.from(['x']);
  await ended.toArray();
  const bodies = [
    undefined,
    null,
    42,
    {},
    [1],
    new Date(),
    body,
    locked,
    ended,
    Readable.from(['x']).destroy(),
  ];
  for (const bad of bodies)
    await expect(storage.put('refused', bad as never), String(bad)).rejects.toMatchObject({
      code: 'E_STORAGE_BODY',
    });
  await expect(storage.put('refused', Readable.from([{ a: 1 }]))).rejects.toThrow(
    'whose chunks are no bytes',
  );
  expect(await storage.exists('refused')).toBe(false);
});

test('a stream given with a bad key is freed', async () => {
  const stream = Readable.from(['x']);
  await expect(storage.put('../x', stream)).rejects.toMatchObject({ code: 'E_STORAGE_KEY' });
  expect(stream.destroyed).toBe(true);
});

test('a file is read as text, bytes, JSON or a stream, once', async () => {
  await storage.put('a.json', '{"a":"ü"}');
  expect(await (await storage.get('a.json')).text()).toBe('{"a":"ü"}');
  expect(Buffer.from(await (await storage.get('a.json')).bytes()).toString()).toBe('{"a":"ü"}');
  expect(await (await storage.get('a.json')).json()).toEqual({ a: 'ü' });
  const file = await storage.get('a.json');
  expect(await new Response(file.stream).text()).toBe('{"a":"ü"}');
  await expect(file.text()).rejects.toMatchObject({ code: 'E_STORAGE_READ' });
});

test('JSON is checked by a schema', async () => {
  const schema = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) => {
        const { a } = value as { a?: unknown };
        return typeof a === 'string'
          ? { value: { a } }
          : { issues: [{ message: 'must be a text', path: ['a'] }] };
      },
      types: undefined as { input: unknown; output: { a: string } } | undefined,
    },
  };
  await storage.put('good.json', '{"a":"x","b":1}');
  await storage.put('bad.json', '{"a":1}');
  await storage.put('broken.json', '{');
  const { a } = await (await storage.get('good.json')).json(schema);
  expect(a).toBe('x');
  await expect((await storage.get('bad.json')).json(schema)).rejects.toMatchObject({
    code: 'E_STORAGE_CONTENT',
    message: '"bad.json" does not hold what was asked for: a: must be a text.',
  });
  await expect((await storage.get('broken.json')).json()).rejects.toMatchObject({
    code: 'E_STORAGE_CONTENT',
  });
});

test('a file that is read, cancelled, or left by its stream is closed', async () => {
  await storage.put('k', Buffer.alloc(1_000_000));
  await (await storage.get('k')).bytes();
  await (await storage.get('k')).cancel();
  {
    await using file = await storage.get('k');
    expect(file.info.size).toBe(1_000_000);
  }
  const reader = (await storage.get('k')).stream.getReader();
  await reader.read();
  await reader.cancel();
  await eventually(async () => (await openFiles(dir)).length === 0);
});

test('a file that nobody reads for a minute is closed, and says so to who comes late', async () => {
  await storage.put('k', 'x');
  const unread = await storage.get('k');
  const unpulled = (await storage.get('k')).stream.getReader();
  const read = await storage.get('k');
  await read.text();
  await clock.advance('59s');
  expect((await openFiles(dir)).length).toBe(2);
  await clock.advance('1s');
  await eventually(async () => (await openFiles(dir)).length === 0);
  await expect(unread.text()).rejects.toMatchObject({ code: 'E_STORAGE_READ' });
  await expect(unpulled.read()).rejects.toMatchObject({ code: 'E_STORAGE_READ' });
  expect(clock.pending()).toBe(0);
});

test('an abort ends a read, before and in the middle', async () => {
  const reason = new Error('changed my mind');
  await storage.put('k', Buffer.alloc(5_000_000));
  await expect(storage.get('k', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  const file = await storage.get('k', { signal: controller.signal });
  const reader = file.stream.getReader();
  await reader.read();
  controller.abort(reason);
  await expect(
    (async () => {
      while (!(await reader.read()).done);
    })(),
  ).rejects.toBe(reason);
  await eventually(async () => (await openFiles(dir)).length === 0);
});

test('an abort ends lists, copies and deletes', async () => {
  const signal = AbortSignal.abort(new Error('changed my mind'));
  await storage.put('k', 'x');
  await expect(storage.list({ signal }).page()).rejects.toThrow('changed my mind');
  await expect(storage.copy('k', 'l', { signal })).rejects.toThrow('changed my mind');
  await expect(storage.move('k', 'l', { signal })).rejects.toThrow('changed my mind');
  await expect(storage.deleteMany(['k'], { signal })).rejects.toThrow('changed my mind');
  await expect(storage.deletePrefix('a/', { signal })).rejects.toThrow('changed my mind');
  expect(await storage.exists('k')).toBe(true);
});

test('bad limits, ranges and places to start are refused', async () => {
  await storage.put('k', 'x');
  for (const options of [{ limit: 0 }, { limit: 1.5 }, { delimiter: ':' as never }])
    await expect(storage.list(options).page()).rejects.toMatchObject({ code: 'E_STORAGE_OPTION' });
  await expect(storage.list({ after: '../x' }).page()).rejects.toMatchObject({ code: 'E_STORAGE_KEY' });
  for (const range of [{ start: -1 }, { start: 2, end: 1 }, { start: 0.5 }, { start: '0' as never }])
    await expect(storage.get('k', { range })).rejects.toMatchObject({ code: 'E_STORAGE_OPTION' });
});

test('a scope sees and changes only what is below it, by relative keys', async () => {
  const scope = storage.scope('tenants/7/');
  await storage.put('tenants/70/x', 'neighbour');
  expect((await scope.put('a/b.txt', 'x', { metadata: { a: '1' } })).key).toBe('a/b.txt');
  expect(await storage.exists('tenants/7/a/b.txt')).toBe(true);
  const file = await scope.get('a/b.txt');
  expect([file.info.key, await file.text()]).toEqual(['a/b.txt', 'x']);
  expect((await scope.info('a/b.txt'))?.key).toBe('a/b.txt');
  expect(await scope.info('none')).toBeUndefined();
  expect((await scope.copy('a/b.txt', 'c')).key).toBe('c');
  expect((await scope.move('c', 'd')).key).toBe('d');
  const page = await scope.list({ delimiter: '/' }).page();
  expect([page.files.map(({ key }) => key), page.prefixes]).toEqual([['d'], ['a/']]);
  const keys: string[] = [];
  for await (const { key } of scope.list({ after: 'a/b.txt' })) keys.push(key);
  expect(keys).toEqual(['d']);
  expect((await scope.list({ prefix: 'a/' }).page()).files[0]?.key).toBe('a/b.txt');
  expect(await scope.signedUrl('d', { expiresIn: '1m' })).toContain('/storage/tenants/7/d?');
  expect((await scope.signedUpload('e', { expiresIn: '1m', maxBytes: 1, types: ['a/b'] })).url).toContain(
    '/storage/tenants/7/e?',
  );
  expect(await scope.scope('a/').exists('b.txt')).toBe(true);
  expect(await scope.deleteMany(['d'])).toEqual({ deleted: ['d'], failed: [] });
  expect(await scope.deletePrefix('a/')).toEqual({ deleted: ['a/b.txt'], failed: [] });
  expect(await storage.exists('tenants/70/x')).toBe(true);
});

test('no key leads out of a scope', async () => {
  const scope = storage.scope('tenants/7/');
  await storage.put('tenants/secret', 'x');
  for (const key of ['../secret', '/secret', '', 'a/../../secret'])
    await expect(scope.get(key), key).rejects.toMatchObject({ code: 'E_STORAGE_KEY' });
  for (const prefix of ['../', '', '/'])
    await expect(scope.deletePrefix(prefix), prefix).rejects.toMatchObject({
      code: expect.stringMatching(/^E_STORAGE_(KEY|PREFIX)$/),
    });
});

test('a read-only storage reads and refuses every write, in its scopes too', async () => {
  await storage.put('ro/k', 'x');
  const view = storage.readOnly();
  const refused = { code: 'E_STORAGE_READ_ONLY' };
  expect(await (await view.get('ro/k')).text()).toBe('x');
  expect(await view.exists('ro/k')).toBe(true);
  expect((await view.info('ro/k'))?.size).toBe(1);
  expect((await view.list({ prefix: 'ro/' }).page()).files.length).toBe(1);
  expect(await view.signedUrl('ro/k', { expiresIn: '1m' })).toContain('/ro/k');
  for (const files of [view, view.readOnly(), view.scope('ro/'), storage.scope('ro/').readOnly()]) {
    await expect(files.put('k', 'x')).rejects.toMatchObject(refused);
    await expect(files.copy('k', 'l')).rejects.toMatchObject(refused);
    await expect(files.move('k', 'l')).rejects.toMatchObject(refused);
    await expect(files.delete('k')).rejects.toMatchObject(refused);
    await expect(files.deleteMany(['k'])).rejects.toMatchObject(refused);
    await expect(files.deletePrefix('k/')).rejects.toMatchObject(refused);
    await expect(
      files.signedUpload('k', { expiresIn: '1m', maxBytes: 1, types: ['a/b'] }),
    ).rejects.toMatchObject(refused);
  }
});

test('each call is an operation that telemetry can see', async () => {
  const seen: string[] = [];
  const names = ['put', 'get', 'info', 'list', 'copy', 'delete'].map((name) => `storage.${name}`);
  const stops = names.map((name) =>
    subscribeOperation(name, {
      end: (event) => void seen.push(`${name} ${JSON.stringify({ ...event, result: 0 })}`),
    }),
  );
  await storage.put('seen/a', 'x');
  await (await storage.get('seen/a')).text();
  await storage.info('seen/a');
  await storage.copy('seen/a', 'seen/b');
  await storage.list({ prefix: 'seen/' }).page();
  await storage.delete('seen/a');
  for (const stop of stops) stop();
  expect(seen).toEqual([
    'storage.put {"key":"seen/a","driver":"fs","result":0}',
    'storage.get {"key":"seen/a","driver":"fs","result":0}',
    'storage.info {"key":"seen/a","driver":"fs","result":0}',
    'storage.copy {"key":"seen/b","from":"seen/a","driver":"fs","result":0}',
    'storage.list {"driver":"fs","prefix":"seen/","result":0}',
    'storage.delete {"key":"seen/a","driver":"fs","result":0}',
  ]);
});

test('closed before it was used, it closes the driver that it was given', async () => {
  let closed = 0;
  const close = async () => {
    closed += 1;
  };
  const driver = { name: 'idle', close, ready: async () => undefined };
  const idle = createStorage({ driver: driver as unknown as StorageDriver, env: {} });
  await idle.close();
  await idle.close();
  expect(closed).toBe(1);
});

test('closed in the moment of its first use, it refuses, and frees what it was given', async () => {
  const idle = createStorage({ dir: `${dir}/idle`, env: {} });
  const stream = Readable.from(['x']);
  const writing = idle.put('k', stream);
  const refused = expect(writing).rejects.toMatchObject({ code: 'E_STORAGE_CLOSED' });
  await idle.close();
  await refused;
  expect(stream.destroyed).toBe(true);
});

test('a stream that fails while the storage is still loading is a rejection, not the end of the process', async () => {
  const fresh = createStorage({ dir: `${dir}/fresh`, env: {} });
  const stream = new Readable({ read: () => undefined });
  const writing = fresh.put('k', stream);
  stream.destroy(new Error('the client went away'));
  await expect(writing).rejects.toThrow('the client went away');
  await fresh.close();
});

test('a part that cannot be loaded is a coded error, and is tried again', async () => {
  let broken = true;
  const load = once(() =>
    library('a part', async () => {
      if (broken) throw new Error('no such file');
      return 'it';
    }),
  );
  const both = await Promise.allSettled([load(), load()]);
  for (const one of both)
    expect(one).toMatchObject({
      reason: { code: 'E_STORAGE_LIBRARY', message: expect.stringContaining('a part cannot be loaded') },
    });
  broken = false;
  expect(await load()).toBe('it');
});
