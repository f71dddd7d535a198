import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { type RunningServer, serve } from '@vibeonrails/infra-core/http';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createStorage } from '../src/client.ts';
import { eventually, leftovers, temporaryFolders } from './temporary.ts';

const dir = temporaryFolders()();
const clock = fakeClock();
const storage = createStorage({ dir, clock, secret: 'a secret for tests', env: {} });
let server: RunningServer;

beforeAll(async () => {
  server = await serve(storage.handler());
});
afterEach(async () => {
  await storage.delete('k');
  expect(await leftovers(dir)).toEqual([]);
});
afterAll(async () => {
  await server.close(0);
  await storage.close();
});

const limits = { expiresIn: '5m', maxBytes: 1000, types: ['image/png', 'text/*'] } as const;
const signed = async (): Promise<string> =>
  (await storage.signedUpload('k', { ...limits, base: server.url })).url;
const png = { 'content-type': 'image/png' };
const put = async (body: string | Uint8Array, headers: Record<string, string> = png): Promise<Response> =>
  fetch(await signed(), { method: 'PUT', body, headers });

/** A PUT whose body the test sends bit by bit, chunked unless a length is among the headers. */
async function slowPut(headers: Record<string, string | number> = {}): Promise<ClientRequest> {
  const req = request(await signed(), { method: 'PUT', headers: { ...png, ...headers } });
  req.on('error', () => undefined);
  return req;
}

test('a signed upload says how to send the file, and stores it', async () => {
  const upload = await storage.signedUpload('k', limits);
  expect(upload).toMatchObject({ method: 'PUT', headers: {}, expiresAt: new Date(clock.now() + 300_000) });
  const url = new URL(upload.url, server.url);
  const response = await fetch(url, { method: upload.method, headers: png, body: 'pixels' });
  expect(response.status).toBe(200);
  const info = await storage.info('k');
  expect(await response.json()).toEqual({ key: 'k', size: 6, etag: info?.etag, contentType: 'image/png' });
  expect(response.headers.get('etag')).toBe(`"${info?.etag}"`);
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(info).toMatchObject({ size: 6, contentType: 'image/png' });
});

test('a body of just the size allowed is taken, and an empty one', async () => {
  expect((await put('x'.repeat(1000))).status).toBe(200);
  expect((await storage.info('k'))?.size).toBe(1000);
  expect((await put('')).status).toBe(200);
  expect((await storage.info('k'))?.size).toBe(0);
});

test('a declared length over the limit answers 413 at once', async () => {
  const response = await put('x'.repeat(1001));
  expect(await response.json()).toMatchObject({ code: 'E_STORAGE_TOO_LARGE' });
  expect(response.status).toBe(413);
  expect(await storage.exists('k')).toBe(false);
});

test('a chunked body is cut at the limit, and the client gets to see the 413', async () => {
  const req = await slowPut();
  const answered = once(req, 'response');
  for (let i = 0; i < 30; i += 1) req.write('x'.repeat(100));
  const [res] = (await answered) as [IncomingMessage];
  expect(res.statusCode).toBe(413);
  req.destroy();
  expect(await storage.exists('k')).toBe(false);
});

test('a client that sends megabytes before it listens still gets to see the 413', async () => {
  const response = await put(Buffer.alloc(8 * 1024 * 1024));
  expect(response.status).toBe(413);
});

test('a refused body leaves the former file', async () => {
  await storage.put('k', 'former');
  expect((await put('x'.repeat(1001))).status).toBe(413);
  expect(await (await storage.get('k')).text()).toBe('former');
});

test.each([
  ['image/png', 200],
  ['IMAGE/PNG', 200],
  ['image/png; x=y', 200],
  ['text/html', 200],
  ['image/jpeg', 415],
  ['image/pngx', 415],
  ['application/text/plain', 415],
  ['image/png, text/html', 415],
  ['', 415],
])('a body of type "%s" answers %d', async (type, status) => {
  expect((await put('x', { 'content-type': type })).status).toBe(status);
});

test('a body without a type answers 415', async () => {
  const req = request(await signed(), { method: 'PUT', headers: { 'content-length': 1 } });
  req.end('x');
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  res.resume();
  expect(res.statusCode).toBe(415);
});

test('a signature holds for its key, expiry, size, types and method alone', async () => {
  const url = await signed();
  const changes: ((url: URL) => void)[] = [
    (u) => (u.pathname = '/storage/other'),
    (u) => u.searchParams.set('maxBytes', '1001'),
    (u) => u.searchParams.delete('maxBytes'),
    (u) => u.searchParams.set('types', 'image/png,text/*,image/jpeg'),
    (u) => u.searchParams.delete('types'),
    (u) => u.searchParams.set('expires', String(Number(u.searchParams.get('expires')) + 60)),
    (u) => u.searchParams.delete('signature'),
  ];
  for (const change of changes) {
    const changed = new URL(url);
    change(changed);
    expect((await fetch(changed, { method: 'PUT', body: 'x', headers: png })).status, changed.href).toBe(403);
  }
  expect((await fetch(url)).status).toBe(403);
  expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(405);
  const read = await storage.signedUrl('k', { expiresIn: '5m', base: server.url });
  expect((await fetch(read, { method: 'PUT', body: 'x', headers: png })).status).toBe(403);
  expect(await storage.exists('other')).toBe(false);
});

test('an upload after its time answers 403', async () => {
  const url = await signed();
  await clock.advance('5m');
  expect((await fetch(url, { method: 'PUT', body: 'x', headers: png })).status).toBe(403);
});

test('a client that leaves in the middle of a chunked body leaves nothing', async () => {
  const req = await slowPut();
  req.write('half');
  await eventually(async () => (await leftovers(dir)).length === 1);
  req.destroy();
  await eventually(async () => (await leftovers(dir)).length === 0);
  expect(await storage.exists('k')).toBe(false);
});

test('a body shorter than its declared length is not stored', async () => {
  const req = await slowPut({ 'content-length': 100 });
  req.write('x'.repeat(99));
  await eventually(async () => (await leftovers(dir)).length === 1);
  req.socket?.end();
  await eventually(async () => (await leftovers(dir)).length === 0);
  expect(await storage.exists('k')).toBe(false);
});

test('conditions of the request hold for the upload', async () => {
  expect((await put('first', { ...png, 'if-none-match': '*' })).status).toBe(200);
  expect((await put('second', { ...png, 'if-none-match': '*' })).status).toBe(412);
  expect((await put('third', { ...png, 'if-match': '"other"' })).status).toBe(412);
  const etag = (await storage.info('k'))?.etag;
  expect((await put('fourth', { ...png, 'if-match': `"${etag}"` })).status).toBe(200);
});

test('a signed size and type are held to, and the type comes as a header to send', async () => {
  const options = { ...limits, size: 6, type: 'text/css; charset=utf-8', base: server.url };
  const { url, headers } = await storage.signedUpload('k', options);
  expect(headers).toEqual({ 'content-type': 'text/css; charset=utf-8' });
  const send = async (body: string, type = headers['content-type'] ?? ''): Promise<number> =>
    (await fetch(url, { method: 'PUT', body, headers: { 'content-type': type } })).status;
  expect(await send('seven!!')).toBe(403);
  expect(await send('five!')).toBe(403);
  expect(await send('pixels', 'image/png')).toBe(415);
  expect(await storage.exists('k')).toBe(false);
  expect(await send('pixels')).toBe(200);
  const changed = new URL(url);
  changed.searchParams.delete('size');
  expect((await fetch(changed, { method: 'PUT', body: 'five!', headers })).status).toBe(403);
  const req = request(url, { method: 'PUT', headers });
  req.write('pix');
  req.end('els');
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  res.resume();
  expect(res.statusCode).toBe(403);
});

test('limits that make no sense are refused when signing', async () => {
  const bad = [
    { ...limits, maxBytes: 0 },
    { ...limits, maxBytes: 1.5 },
    { ...limits, maxBytes: undefined as never },
    { ...limits, types: [] },
    { ...limits, types: ['png'] },
    { ...limits, types: ['image/png,text/html'] },
    { ...limits, types: undefined as never },
    { ...limits, size: 1001 },
    { ...limits, size: -1 },
    { ...limits, type: 'image/jpeg' },
    { ...limits, type: 'image/*' as never },
  ];
  for (const options of bad)
    await expect(storage.signedUpload('k', options)).rejects.toMatchObject({ code: 'E_STORAGE_OPTION' });
});

test('where files cannot be reached the client gets a 503 without a path in it', async () => {
  const closed = createStorage({ dir, clock, secret: 'a secret for tests', env: {} });
  const handler = closed.handler();
  await closed.close();
  const response = await handler(new Request(await signed(), { method: 'PUT', body: 'x', headers: png }));
  expect(response.status).toBe(503);
  expect(await response.text()).not.toContain(dir);
});

test('where the store answers its own URLs, the handler has nothing', async () => {
  const { verify: _, ...driver } = (await import('../src/drivers/fs.ts')).fsDriver({
    dir,
    url: '/storage',
    clock,
  });
  const other = createStorage({ driver, env: {} });
  const response = await other.handler()(new Request(await signed()));
  expect(response.status).toBe(404);
  await other.close();
});
