import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { createStorage, type Storage } from '../src/client.ts';
import { fileLocks } from '../src/drivers/fs/locks.ts';
import { decodeName, encodeName, pathOf } from '../src/drivers/fs/paths.ts';
import { moveInto, prune } from '../src/drivers/fs/write.ts';
import { eventually, leftovers, temporaryFolders } from './temporary.ts';

const newFolder = temporaryFolders();
const made: Storage[] = [];
function make(dir = newFolder()): { dir: string; storage: Storage } {
  const storage = createStorage({ dir, env: {} });
  made.push(storage);
  return { dir, storage };
}
afterEach(async () => {
  for (const storage of made.splice(0)) await storage.close();
});

const child = (name: string, ...args: string[]): ReturnType<typeof spawn> =>
  spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      '--conditions',
      '@vibeonrails/infra-source',
      fileURLToPath(new URL(name, import.meta.url)),
      ...args,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
const longAgo = new Date(Date.now() - 25 * 3_600_000);

test("a file starts with its content, so that other programs read it, and is its owner's alone", async () => {
  const { dir, storage } = make();
  await storage.put('users/1/Avatar.png', 'pixels');
  const path = join(dir, 'files/users+/1+/%41vatar.png');
  expect((await readFile(path, 'utf8')).startsWith('pixels{"key":"users/1/Avatar.png"')).toBe(true);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(dir)).mode & 0o777).toBe(0o700);
  expect(await readFile(join(dir, '.gitignore'), 'utf8')).toBe('*\n');
});

test.each([
  ['avatar.png', 'avatar.png'],
  ['A', '%41'],
  ['%41', '%2541'],
  ['a b', 'a%20b'],
  ['ü', '%c3%bc'],
  ['...', '..%2e'],
  ['end.', 'end%2e'],
  ['con', '%63on'],
  ['nul.txt', '%6eul.txt'],
  ['com1', '%63om1'],
  ['console', 'console'],
  ['a+', 'a%2b'],
])('the part %s is called %s on disk, and read back', (part, name) => {
  expect(encodeName(part)).toBe(name);
  expect(decodeName(name)).toBe(part);
});

test.each(['A', '%C3%BC', '%61', '%zz', '.DS_Store', 'a b', '%ff', 'con'])(
  'the name %s on disk is none of ours',
  (name) => {
    expect(decodeName(name)).toBeUndefined();
  },
);

test('no name on disk gets too long for a filesystem', () => {
  for (const key of [
    'x'.repeat(1024),
    'Ü'.repeat(512),
    `${'a/'.repeat(500)}b`,
    'é'.repeat(60),
    `${'x'.repeat(140)}/y`,
  ]) {
    const names = pathOf(key).split('/');
    expect(Math.max(...names.map((name) => name.length))).toBeLessThanOrEqual(141);
    expect(pathOf(key).length).toBeLessThanOrEqual(600);
  }
});

test('a record longer than usual is read back', async () => {
  const { storage } = make();
  const metadata = { a: 'x'.repeat(2000), b: '"'.repeat(10) };
  await storage.put('k', 'x', { metadata });
  expect((await storage.info('k'))?.metadata).toEqual(metadata);
});

test('folders left empty are removed', async () => {
  const { dir, storage } = make();
  await storage.put('a/b/c/d', 'x');
  await storage.put('a/e', 'x');
  await storage.delete('a/b/c/d');
  expect(await readdir(join(dir, 'files/a+'))).toEqual(['e']);
  await storage.delete('a/e');
  expect(await readdir(join(dir, 'files'))).toEqual([]);
});

test('writes and deletes of neighbours at once lose nothing', async () => {
  const { storage } = make();
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      for (let round = 0; round < 5; round += 1) {
        await storage.put(`deep/er/${i}`, 'x');
        await storage.delete(`deep/er/${i}`);
      }
      await storage.put(`deep/er/${i}`, 'last');
    }),
  );
  expect((await storage.list().page()).files.length).toBe(40);
});

test('a folder that a delete takes away under a write is made again', async () => {
  const top = newFolder();
  const folder = join(top, 'a+', 'b+');
  await mkdir(top, { recursive: true });
  let going = true;
  const pruning = (async () => {
    while (going) await prune(folder, top);
  })();
  for (let i = 0; i < 300; i += 1) {
    await writeFile(join(top, 'temporary'), '');
    await moveInto(join(folder, 'k'), join(top, 'temporary'), false);
    await rm(join(folder, 'k'));
  }
  going = false;
  await pruning;
});

test('a folder that is a symbolic link is not followed', async () => {
  const { dir, storage } = make();
  const outside = newFolder();
  const other = make(outside).storage;
  await other.put('k', 'outside');
  await storage.ready();
  await symlink(join(outside, 'files'), join(dir, 'files/link+'));
  const refused = { code: 'E_STORAGE_LINK' };
  await expect(storage.put('link/new/k', 'x')).rejects.toMatchObject(refused);
  await expect(storage.get('link/k')).rejects.toMatchObject(refused);
  await expect(storage.info('link/k')).rejects.toMatchObject(refused);
  await expect(storage.delete('link/k')).rejects.toMatchObject(refused);
  await expect(storage.list({ prefix: 'link/' }).page()).rejects.toMatchObject(refused);
  expect((await storage.list().page()).files).toEqual([]);
  expect((await other.list().page()).files.map(({ key }) => key)).toEqual(['k']);
});

test('a file that is a symbolic link is not read', async () => {
  const { dir, storage } = make();
  await storage.put('real', 'x');
  await symlink(join(dir, 'files/real'), join(dir, 'files/link'));
  await expect(storage.get('link')).rejects.toMatchObject({ code: 'E_STORAGE_LINK' });
  expect((await storage.list().page()).files.map(({ key }) => key)).toEqual(['real']);
  await storage.put('link', 'replaced');
  expect(await (await storage.get('real')).text()).toBe('x');
});

test('the storage folder itself may be a symbolic link', async () => {
  const { dir, storage } = make();
  await storage.put('k', 'x');
  const link = newFolder();
  await symlink(dir, link);
  expect(await (await make(link).storage.get('k')).text()).toBe('x');
});

test('what was changed behind its back is not served', async () => {
  const { dir, storage } = make();
  await storage.put('cut', 'x'.repeat(100));
  const path = join(dir, 'files/cut');
  await truncate(path, (await stat(path)).size - 1);
  await storage.put('shortened', 'x'.repeat(100));
  const whole = await readFile(join(dir, 'files/shortened'));
  await writeFile(join(dir, 'files/shortened'), whole.subarray(1));
  await writeFile(join(dir, 'files/foreign'), 'put here by hand');
  await writeFile(join(dir, 'files/empty'), '');
  await storage.put('a', 'x');
  await rename(join(dir, 'files/a'), join(dir, 'files/b'));
  for (const key of ['cut', 'shortened', 'foreign', 'empty', 'b'])
    await expect(storage.get(key), key).rejects.toMatchObject({ code: 'E_STORAGE_DAMAGED' });
  expect((await storage.list().page()).files).toEqual([]);
  await storage.put('foreign', 'replaced');
  await storage.delete('cut');
  expect((await storage.list().page()).files.map(({ key }) => key)).toEqual(['foreign']);
});

test('a generated secret is kept for its owner alone, and shared by processes', async () => {
  const { dir, storage } = make();
  const other = make(dir).storage;
  const urls = await Promise.all(
    [storage, other].map((one) => one.signedUpload('k', { expiresIn: '1h', maxBytes: 1, types: ['a/b'] })),
  );
  const secret = await readFile(join(dir, 'secret'), 'utf8');
  expect(secret).toMatch(/^[\w-]{43}$/);
  expect((await stat(join(dir, 'secret'))).mode & 0o777).toBe(0o600);
  for (const { url } of urls) {
    const request = new Request(new URL(url, 'http://localhost'), {
      method: 'PUT',
      body: 'x',
      headers: { 'content-type': 'a/b' },
    });
    expect((await storage.handler()(request)).status).toBe(200);
  }
});

test('processes that share a folder never lose an update, and one alone wins a key', async () => {
  const { dir, storage } = make();
  await storage.put('counter', '0');
  const wins = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const process_ = child('./counter.child.ts', dir, '15', '25');
      let output = '';
      process_.stdout?.on('data', (chunk) => {
        output += chunk;
      });
      expect(await once(process_, 'close')).toEqual([0, null]);
      return JSON.parse(output) as string[];
    }),
  );
  expect(await (await storage.get('counter')).text()).toBe('45');
  expect(wins.flat().sort()).toEqual(Array.from({ length: 25 }, (_, i) => `race/${i}`).sort());
  expect(await leftovers(dir)).toEqual([]);
});

test('a process killed in the middle leaves no file, and its remains are cleared a day later', async () => {
  const { dir, storage } = make();
  await storage.put('k', 'former');
  const writer = child('./writer.child.ts', dir);
  await once(writer.stdout!, 'data');
  writer.kill('SIGKILL');
  await once(writer, 'close');
  expect(await (await storage.get('k')).text()).toBe('former');
  const [left = ''] = await leftovers(dir);
  await make(dir).storage.ready();
  expect(await leftovers(dir)).toEqual([left]);
  await utimes(join(dir, 'tmp', left), longAgo, longAgo);
  await make(dir).storage.ready();
  expect(await leftovers(dir)).toEqual([]);
});

const lockOf = (dir: string, key: string): string =>
  join(dir, 'locks', createHash('sha256').update(key).digest('hex').slice(0, 32));

test('the lock of a dead process is broken at once, and a breaker that died is no obstacle', async () => {
  const { dir, storage } = make();
  await storage.ready();
  const gone = child('./counter.child.ts', newFolder());
  await once(gone, 'close');
  await writeFile(lockOf(dir, 'k'), `${hostname()} ${gone.pid} x`);
  await writeFile(`${lockOf(dir, 'k')}.break`, '');
  await utimes(`${lockOf(dir, 'k')}.break`, longAgo, longAgo);
  await storage.put('k', 'x');
  expect(await leftovers(dir)).toEqual([]);
});

test('the lock of a process that lives is waited for, unless it is 30 seconds old', async () => {
  const { dir, storage } = make();
  await storage.ready();
  const lock = lockOf(dir, 'k');
  for (const owner of [`${hostname()} ${process.ppid} x`, 'another-host 1 x']) {
    await writeFile(lock, owner);
    let done = false;
    const put = storage.put('k', 'x').then(() => {
      done = true;
    });
    await eventually(async () => (await readdir(join(dir, 'tmp'))).length === 1);
    expect(done).toBe(false);
    await utimes(lock, new Date(Date.now() - 31_000), new Date(Date.now() - 31_000));
    await put;
    expect(await leftovers(dir)).toEqual([]);
  }
});

test('an abort ends the wait for a lock, and leaves nothing', async () => {
  const { dir, storage } = make();
  await storage.ready();
  await writeFile(lockOf(dir, 'k'), 'another-host 1 x');
  const controller = new AbortController();
  const put = storage.put('k', 'x', { signal: controller.signal });
  await eventually(async () => (await readdir(join(dir, 'tmp'))).length === 1);
  controller.abort(new Error('changed my mind'));
  await expect(put).rejects.toThrow('changed my mind');
  await rm(lockOf(dir, 'k'));
  expect(await leftovers(dir)).toEqual([]);
  expect(await storage.exists('k')).toBe(false);
});

test('callers of one process take turns in the order they came', async () => {
  const dir = newFolder();
  const locks = fileLocks(dir);
  const order: number[] = [];
  let inside = 0;
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      locks.hold('k', async () => {
        inside += 1;
        expect(inside).toBe(1);
        await setImmediate();
        order.push(i);
        inside -= 1;
      }),
    ),
  );
  expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(await readdir(dir)).toEqual([]);
});

test('a turn that fails lets the next one go', async () => {
  const locks = fileLocks(newFolder());
  const failed = locks.hold('k', async () => {
    throw new Error('failed');
  });
  const next = locks.hold('k', async () => 'done');
  await expect(failed).rejects.toThrow('failed');
  expect(await next).toBe('done');
});

test('a folder that was removed meanwhile is made again', async () => {
  const { dir, storage } = make();
  await storage.put('k', 'x');
  await rm(dir, { recursive: true });
  expect(await storage.info('k')).toBeUndefined();
  expect((await storage.list().page()).files).toEqual([]);
  await storage.put('k', 'again');
  expect(await (await storage.get('k')).text()).toBe('again');
});

test('a folder that cannot be used is one coded error, until it can', async () => {
  const dir = newFolder();
  await mkdir(join(dir, '..'), { recursive: true });
  await writeFile(dir, 'a file');
  const { storage } = make(dir);
  await expect(storage.ready()).rejects.toMatchObject({ code: 'E_STORAGE_UNAVAILABLE', retryable: true });
  await expect(storage.put('k', 'x')).rejects.toThrow(`Cannot use the folder ${dir}`);
  await rm(dir);
  await storage.put('k', 'x');
});

test('a failed delete is reported beside those that worked', async () => {
  const { dir, storage } = make();
  await storage.put('a', 'x');
  await mkdir(join(dir, 'files/b'));
  const report = await storage.deleteMany(['a', 'b']);
  expect(report.deleted).toEqual(['a']);
  expect(report.failed).toMatchObject([{ key: 'b', error: { code: 'E_STORAGE_UNAVAILABLE' } }]);
  await expect(storage.delete('b')).rejects.toMatchObject({ code: 'E_STORAGE_UNAVAILABLE' });
});

test('the end of a large file is read alone', async () => {
  const { storage } = make();
  await storage.put('k', Buffer.alloc(3_000_000, 7));
  const file = await storage.get('k', { range: { start: 2_999_990 } });
  expect(Buffer.from(await file.bytes())).toEqual(Buffer.alloc(10, 7));
});

test('sweepUploads removes what unfinished writes left, once it is old enough, and ensureBucket makes the folder', async () => {
  const { dir, storage } = make();
  await storage.ensureBucket();
  await storage.put('k', 'x');
  const abandoned = join(dir, 'tmp', 'abandoned');
  await writeFile(abandoned, 'x');
  await utimes(abandoned, new Date(), new Date(Date.now() - 3_600_000));
  await writeFile(join(dir, 'tmp', 'fresh'), 'x');
  expect(await storage.sweepUploads({ olderThan: '2h' })).toBe(0);
  expect(await storage.sweepUploads({ olderThan: '30m' })).toBe(1);
  expect(await readdir(join(dir, 'tmp'))).toEqual(['fresh']);
  expect(await (await storage.get('k')).text()).toBe('x');
});
