import { once } from 'node:events';
import { request } from 'node:http';
import { type RunningServer, serve } from '@vibeonrails/infra-core/http';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createStorage } from '../src/client.ts';
import { fsDriver } from '../src/drivers/fs.ts';
import { eventually, openFiles, temporaryFolders } from './temporary.ts';

const dir = temporaryFolders()();
const clock = fakeClock();
const storage = createStorage({ dir, clock, secret: 'a secret for tests', env: {} });
let server: RunningServer;
let base: string;

beforeAll(async () => {
  server = await serve(storage.handler());
  base = server.url;
  await storage.put('users/1/a b.txt', '0123456789', { contentType: 'text/plain; charset=utf-8' });
});
afterAll(async () => {
  await server.close(0);
  await storage.close();
});

const signed = (key: string, download?: string | true): Promise<string> =>
  storage.signedUrl(key, { expiresIn: '1h', base, ...(download ? { download } : {}) });
const get = async (headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
  fetch(await signed('users/1/a b.txt'), { method, headers });

/** The code and status of a refusal. */
const refusal = async (response: Response): Promise<unknown> => {
  const { code } = (await response.json()) as { code: string };
  return [response.status, code];
};

/** A request as it is: fetch would clean up the path first. */
async function raw(path: string, method = 'GET'): Promise<{ status: number; body: string }> {
  const req = request({ host: '127.0.0.1', port: server.port, path, method }).end();
  const [res] = await once(req, 'response');
  let body = '';
  for await (const chunk of res.setEncoding('utf8')) body += chunk;
  return { status: res.statusCode, body };
}

test('a signed URL is a path until it is given a base', async () => {
  const url = await storage.signedUrl('users/1/a b.txt', { expiresIn: '1h' });
  expect(url).toMatch(/^\/storage\/users\/1\/a%20b\.txt\?expires=\d+&signature=[\w-]{43}$/);
  expect(await signed('k')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/storage\/k\?/);
  const other = createStorage({ dir, secret: 'a secret for tests', url: 'https://files.test/x/', env: {} });
  expect(await other.signedUrl('k', { expiresIn: '1h', base })).toMatch(/^https:\/\/files\.test\/x\/k\?/);
});

test('a signed GET answers with the file and its headers', async () => {
  const info = await storage.info('users/1/a b.txt');
  const response = await get();
  expect(response.status).toBe(200);
  expect(await response.text()).toBe('0123456789');
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'content-length': '10',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    'content-type': 'text/plain; charset=utf-8',
    etag: `"${info?.etag}"`,
    'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
    'x-content-type-options': 'nosniff',
  });
});

test('HEAD answers the same without the body', async () => {
  const response = await get({}, 'HEAD');
  expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([
    200,
    '10',
    '',
  ]);
});

test.each([
  ['bytes=0-3', '0123', 'bytes 0-3/10'],
  ['bytes=7-', '789', 'bytes 7-9/10'],
  ['bytes=-4', '6789', 'bytes 6-9/10'],
  ['bytes=-99', '0123456789', 'bytes 0-9/10'],
  ['bytes=8-99', '89', 'bytes 8-9/10'],
  ['bytes=9-9', '9', 'bytes 9-9/10'],
])('the range %s answers 206 with that part', async (range, text, contentRange) => {
  const response = await get({ range });
  expect([response.status, await response.text()]).toEqual([206, text]);
  expect(response.headers.get('content-range')).toBe(contentRange);
  expect(response.headers.get('content-length')).toBe(String(text.length));
});

test.each(['bytes=10-', 'bytes=99-100', 'bytes=-0'])(
  'the range %s answers 416 with the size',
  async (range) => {
    const response = await get({ range });
    expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */10']);
  },
);

test.each(['bytes=0-1,3-4', 'bytes=5-2', 'bytes=a-b', 'bytes=-', 'lines=0-1'])(
  'the range %s counts as none',
  async (range) => {
    const response = await get({ range });
    expect([response.status, await response.text()]).toEqual([200, '0123456789']);
  },
);

test('a range is served only while If-Range holds', async () => {
  const etag = `"${(await storage.info('users/1/a b.txt'))?.etag}"`;
  const status = async (condition: string): Promise<number> =>
    (await get({ range: 'bytes=0-1', 'if-range': condition })).status;
  expect(await status(etag)).toBe(206);
  expect(await status('Thu, 01 Jan 2026 00:00:00 GMT')).toBe(206);
  expect(await status('"other"')).toBe(200);
  expect(await status(`W/${etag}`)).toBe(200);
  expect(await status('Thu, 01 Jan 2025 00:00:00 GMT')).toBe(200);
});

test('what the client has already answers 304 without a body', async () => {
  const etag = `"${(await storage.info('users/1/a b.txt'))?.etag}"`;
  for (const tags of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const response = await get({ 'if-none-match': tags });
    expect([response.status, response.headers.get('etag'), await response.text()]).toEqual([304, etag, '']);
  }
  expect((await get({ 'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' })).status).toBe(304);
  expect((await get({ 'if-modified-since': 'Wed, 31 Dec 2025 23:59:59 GMT' })).status).toBe(200);
  expect(
    (await get({ 'if-none-match': '"other"', 'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' })).status,
  ).toBe(200);
  expect((await get({ 'if-match': '"other"' })).status).toBe(412);
  expect((await get({ 'if-match': etag })).status).toBe(200);
});

test('a missing file answers 404, and only to who holds a signature', async () => {
  const response = await fetch(await signed('none'));
  expect([response.status, await response.json()]).toEqual([
    404,
    { code: 'E_STORAGE_NOT_FOUND', message: 'No file is stored under "none".' },
  ]);
  expect((await fetch(`${base}/storage/none`)).status).toBe(403);
});

test('an empty file is served, and has no range', async () => {
  await storage.put('empty', '');
  const url = await signed('empty');
  const response = await fetch(url);
  expect([response.status, response.headers.get('content-length')]).toEqual([200, '0']);
  expect((await fetch(url, { headers: { range: 'bytes=0-' } })).status).toBe(416);
});

test('an uploaded page cannot run script in the origin of the application', async () => {
  await storage.put('evil.html', '<script>alert(1)</script>');
  const { headers } = await fetch(await signed('evil.html'));
  expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*sandbox$/);
  expect(headers.get('x-content-type-options')).toBe('nosniff');
});

test('a download carries its name safely, whatever it holds', async () => {
  const disposition = async (download: string | true): Promise<string | null> =>
    (await fetch(await signed('users/1/a b.txt', download))).headers.get('content-disposition');
  expect(await disposition(true)).toBe('attachment; filename="a b.txt"');
  expect(await disposition('report.pdf')).toBe('attachment; filename="report.pdf"');
  expect(await disposition('a"; filename="b.exe')).toBe(
    'attachment; filename="a_; filename=_b.exe"; filename*=UTF-8\'\'a%22%3B%20filename%3D%22b.exe',
  );
  expect(await disposition('x\r\nset-cookie: a=b')).toBe('attachment; filename="x__set-cookie: a=b"');
  expect(await disposition('../../etc/passwd')).toBe('attachment; filename=".._.._etc_passwd"');
  expect(await disposition("Ünï ☃'.txt")).toBe(
    "attachment; filename=\"_n_ _'.txt\"; filename*=UTF-8''%C3%9Cn%C3%AF%20%E2%98%83%27.txt",
  );
});

test('stored headers are served, and a signed download goes before them', async () => {
  await storage.put('styled.css', 'a{}', { cacheControl: 'public, max-age=60', disposition: 'inline' });
  const { headers } = await fetch(await signed('styled.css'));
  expect([headers.get('cache-control'), headers.get('content-disposition')]).toEqual([
    'public, max-age=60',
    'inline',
  ]);
  expect((await fetch(await signed('styled.css', 'x.css'))).headers.get('content-disposition')).toBe(
    'attachment; filename="x.css"',
  );
});

test('a signature holds for its key, expiry, download name and method alone', async () => {
  await storage.put('secret.txt', 'x');
  const url = await signed('users/1/a b.txt', 'a.txt');
  const changes: ((url: URL) => void)[] = [
    (u) => (u.pathname = '/storage/secret.txt'),
    (u) => (u.pathname = '/storage/users/1/a%20b.txt2'),
    (u) => u.searchParams.set('expires', String(Number(u.searchParams.get('expires')) + 1)),
    (u) => u.searchParams.set('expires', `0${u.searchParams.get('expires')}`),
    (u) => u.searchParams.delete('expires'),
    (u) => u.searchParams.set('download', 'b.txt'),
    (u) => u.searchParams.delete('download'),
    (u) => u.searchParams.delete('signature'),
    (u) => u.searchParams.set('signature', ''),
    (u) => u.searchParams.set('signature', `${u.searchParams.get('signature')?.slice(0, -1)}!`),
  ];
  expect((await fetch(url)).status).toBe(200);
  for (const change of changes) {
    const changed = new URL(url);
    change(changed);
    const response = await fetch(changed);
    expect(await refusal(response), changed.href).toEqual([403, 'E_STORAGE_SIGNATURE']);
  }
  expect((await fetch(url, { method: 'PUT', body: 'x' })).status).toBe(403);
  expect((await fetch(url, { method: 'DELETE' })).status).toBe(405);
});

test('a signature made with another secret is worth nothing', async () => {
  const other = createStorage({ dir, clock, secret: 'another secret altogether', env: {} });
  const url = await other.signedUrl('users/1/a b.txt', { expiresIn: '1h', base });
  expect((await fetch(url)).status).toBe(403);
  await other.close();
});

test('no trick with the path leads to another file', async () => {
  const { pathname, search } = new URL(await signed('users/1/a b.txt'));
  expect((await raw(pathname + search)).status).toBe(200);
  const tricks = [
    '/storage/users/1/../1/a%20b.txt2',
    '/storage/users/2/%2e%2e/1/a%20b.txt%00',
    '/storage/%2e%2e/%2e%2e/etc/passwd',
    '/storage/..%2f..%2fetc%2fpasswd',
    '/storage/%252e%252e/secret',
    '/storage/../secret',
    '/storage/..\\secret',
    '/storage//users/1/a%20b.txt',
    '/storage/users//1/a%20b.txt',
    '/storage/users/1/a%2520b.txt',
    '/storage/users/1/a%20b.txt/',
    '/storage/%ff',
    '/storage/%',
    '/storage/',
    '/storage',
    '/',
    '/other/users/1/a%20b.txt',
  ];
  for (const path of tricks) {
    const { status, body } = await raw(path + search);
    expect([path, status, JSON.parse(body).code]).toEqual([path, 403, 'E_STORAGE_SIGNATURE']);
  }
});

test('odd keys survive the way through a URL', async () => {
  for (const key of [
    'a b+c &=?#%.txt',
    '%2e%2e/%2F',
    'ünï/日本語/🎉',
    '...',
    'quote\'s"<>|:*;,@$^`{}[]~!()',
    'storage/x',
  ]) {
    await storage.put(key, key);
    expect(await (await fetch(await signed(key))).text()).toBe(key);
  }
});

test('a framework may cut the mount path off', async () => {
  const handler = storage.handler();
  await storage.put('storage/inner', 'inner');
  for (const key of ['users/1/a b.txt', 'storage/inner']) {
    const url = new URL(await signed(key));
    url.pathname = url.pathname.slice('/storage'.length);
    const response = await handler(new Request(url));
    expect(response.status).toBe(200);
    await response.body?.cancel();
  }
});

test('a mount path of its own, or none, works', async () => {
  for (const url of ['/', '/files/', 'https://files.test', 'https://files.test/deep/er']) {
    const other = createStorage({ dir, clock, secret: 'a secret for tests', url, env: {} });
    const signedUrl = await other.signedUrl('users/1/a b.txt', { expiresIn: '1h' });
    const response = await other.handler()(new Request(new URL(signedUrl, 'http://localhost')));
    expect([url, response.status]).toEqual([url, 200]);
    await response.body?.cancel();
    await other.close();
  }
});

test('a client that leaves in the middle leaves no file open', async () => {
  await storage.put('big', Buffer.alloc(20 * 1024 * 1024));
  const controller = new AbortController();
  const response = await fetch(await signed('big'), { signal: controller.signal });
  await response.body?.getReader().read();
  expect((await openFiles(dir)).length).toBe(1);
  controller.abort();
  await eventually(async () => (await openFiles(dir)).length === 0);
});

test('a file that is replaced all the time is still served whole', async () => {
  let going = true;
  const writer = (async () => {
    for (let i = 1; going; i += 1) await storage.put('hot', 'x'.repeat(i));
  })();
  for (let i = 0; i < 30; i += 1) {
    const response = await fetch(await signed('hot'));
    expect([200, 404]).toContain(response.status);
    if (response.status === 200)
      expect((await response.text()).length).toBe(Number(response.headers.get('content-length')));
  }
  going = false;
  await writer;
});

test('headers and content are of one version, also when it changes between the two', async () => {
  const driver = fsDriver({ dir, url: '/storage', secret: 'a secret for tests', clock });
  let looks = 0;
  const other = createStorage({
    clock,
    env: {},
    driver: {
      ...driver,
      async info(key, options) {
        const info = await driver.info(key, options);
        looks += 1;
        if (looks === 1) await storage.put(key, 'a longer version');
        return info;
      },
    },
  });
  await storage.put('changing', 'short');
  const url = new URL(await signed('changing'));
  const response = await other.handler()(new Request(url));
  expect(response.headers.get('content-length')).toBe('16');
  expect(await response.text()).toBe('a longer version');
  expect(looks).toBe(2);
  await other.close();
});

test('a signed URL works until its time, and not longer', async () => {
  const url = await storage.signedUrl('users/1/a b.txt', { expiresIn: '10s', base });
  await clock.advance(9_999);
  expect((await fetch(url)).status).toBe(200);
  await clock.advance(1);
  const response = await fetch(url);
  expect(await response.json()).toEqual({
    code: 'E_STORAGE_SIGNATURE',
    message: 'The signed URL has expired. Ask for a new one.',
  });
  expect(response.status).toBe(403);
});

test.each([0, 999, '0s', '8d', 7 * 24 * 3_600_000 + 1, -1, Number.NaN, 'soon', undefined])(
  'an expiry of %s is refused',
  async (expiresIn) => {
    const failure = { code: 'E_STORAGE_EXPIRY' };
    await expect(storage.signedUrl('k', { expiresIn: expiresIn as never })).rejects.toMatchObject(failure);
    await expect(
      storage.signedUpload('k', { expiresIn: expiresIn as never, maxBytes: 1, types: ['a/b'] }),
    ).rejects.toMatchObject(failure);
  },
);

test('one second and seven days are taken', async () => {
  await storage.signedUrl('k', { expiresIn: '1s' });
  await storage.signedUrl('k', { expiresIn: '7d' });
});
