import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describeConfig, modulesInUse, shutdown } from '@vibeonrails/infra-core';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { loadedBy, loadedFiles } from '@vibeonrails/vitest-config/examples';
import { afterEach, expect, test } from 'vitest';
import * as root from '../src/index.ts';
import { VERSION } from '../src/module.ts';
import * as testing from '../src/testing.ts';
import { temporaryFolders } from './temporary.ts';

const { configureStorage, createStorage, storage, storageHealthCheck } = root;
const home = new URL('..', import.meta.url);
const newFolder = temporaryFolders();
const { signal } = new AbortController();
afterEach(resetInfra);

test('the public names stay as they are', () => {
  expect(Object.keys(root).sort()).toMatchInlineSnapshot(`
    [
      "StorageAccessError",
      "StorageBodyError",
      "StorageBucketError",
      "StorageChecksumError",
      "StorageClosedError",
      "StorageConflictError",
      "StorageContentError",
      "StorageDamagedError",
      "StorageExistsError",
      "StorageExpiryError",
      "StorageKeyError",
      "StorageLibraryError",
      "StorageLinkError",
      "StorageMethodError",
      "StorageNotFoundError",
      "StorageOptionError",
      "StoragePrefixError",
      "StorageRangeError",
      "StorageReadError",
      "StorageReadOnlyError",
      "StorageRefusedError",
      "StorageSecretRequiredError",
      "StorageSignatureError",
      "StorageTooLargeError",
      "StorageTypeError",
      "StorageUnavailableError",
      "configureStorage",
      "createStorage",
      "storage",
      "storageHealthCheck",
    ]
  `);
  expect(Object.keys(testing).sort()).toMatchInlineSnapshot(`
    [
      "fakeStorage",
      "storageDriverSuite",
    ]
  `);
});

test('the version is the one of package.json', () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(VERSION).toBe(version);
});

test('importing it loads no library', async () => {
  expect(await loadedBy(home, '@vibeonrails/infra-storage')).toEqual([]);
});

test('importing it loads a few small files, and of Node.js only what is there by itself', async () => {
  const src = fileURLToPath(new URL('src/', home));
  const files = await loadedFiles(home, '@vibeonrails/infra-storage');
  const own = files.filter((file) => file.startsWith(src));
  expect(own.map((file) => file.slice(src.length))).toMatchInlineSnapshot(`
    [
      "client.ts",
      "config.ts",
      "core.ts",
      "errors.ts",
      "index.ts",
      "input.ts",
      "module.ts",
      "views.ts",
    ]
  `);
  const imports = own.flatMap((file) => [
    ...readFileSync(file, 'utf8').matchAll(/^(?:import|\}) (?!type\b).*from '(node:.*)'/gm),
  ]);
  expect(imports.map(([, name]) => name)).toEqual(['node:path']);
});

test('it is in use once imported, and its variables are described', () => {
  expect(modulesInUse().map(({ module }) => module)).toContain('storage');
  const described = describeConfig({}).filter((v) => v.package.endsWith('infra-storage'));
  expect(described.filter(({ secret }) => secret).map(({ variable }) => variable)).toEqual([
    'AWS_SECRET_ACCESS_KEY',
    'AWS_SESSION_TOKEN',
    'S3_SECRET_ACCESS_KEY',
    'S3_SESSION_TOKEN',
    'STORAGE_SECRET',
  ]);
  expect(described.map(({ variable }) => variable)).toEqual([
    'AWS_ACCESS_KEY_ID',
    'AWS_ENDPOINT_URL_S3',
    'AWS_REGION',
    'AWS_SECRET_ACCESS_KEY',
    'AWS_SESSION_TOKEN',
    'S3_ACCESS_KEY_ID',
    'S3_BUCKET',
    'S3_ENDPOINT',
    'S3_PATH_STYLE',
    'S3_REGION',
    'S3_SECRET_ACCESS_KEY',
    'S3_SESSION_TOKEN',
    'STORAGE_DIR',
    'STORAGE_DRIVER',
    'STORAGE_SECRET',
    'STORAGE_URL',
  ]);
  expect(described.filter(({ variable }) => variable.startsWith('STORAGE'))).toMatchObject([
    { variable: 'STORAGE_DIR', default: '.storage' },
    { variable: 'STORAGE_DRIVER', form: 'one of fs, s3' },
    { variable: 'STORAGE_SECRET', secret: true, form: 'a secret of 16 characters or more' },
    { variable: 'STORAGE_URL', default: '/storage' },
  ]);
});

test('the default storage is configured once, or replaced on demand', async () => {
  configureStorage({ dir: newFolder() });
  await storage.put('k', 'x');
  expect(() => configureStorage({})).toThrow(expect.objectContaining({ code: 'E_STORAGE_CONFIGURED' }));
  configureStorage({ dir: newFolder(), replace: true });
  expect(await storage.exists('k')).toBe(false);
});

test('scopes, views and handlers made of the default storage follow a replaced one', async () => {
  configureStorage({ dir: newFolder() });
  const scope = storage.scope('a/');
  const view = storage.readOnly();
  const handler = storage.handler();
  configureStorage({ dir: newFolder(), replace: true });
  await scope.put('k', 'new');
  expect(await view.exists('a/k')).toBe(true);
  const url = new URL(await storage.signedUrl('a/k', { expiresIn: '1m' }), 'http://localhost');
  expect(await (await handler(new Request(url))).text()).toBe('new');
});

test('a variable that holds something else is one coded error that names it', () => {
  const wrong: [string, string][] = [
    ['STORAGE_DRIVER', 's4'],
    ['STORAGE_SECRET', 'short'],
    ['STORAGE_URL', 'storage'],
    ['STORAGE_URL', '//evil.test'],
    ['STORAGE_URL', 'ftp://files.test'],
    ['STORAGE_URL', '/storage?a=b'],
  ];
  for (const [variable, value] of wrong) {
    const make = (): unknown => createStorage({ env: { [variable]: value } });
    expect(make).toThrow(expect.objectContaining({ code: 'E_CONFIG' }));
    expect(make).toThrow(variable);
  }
  const secret = 'a secret for tests';
  expect(() => createStorage({ secret: 'short', env: {} })).toThrow(/secret is too short/);
  expect(() => createStorage({ secret, url: 'x', env: {} })).toThrow(/url is no place for URLs/);
});

test('in production it refuses files on disk unless driver and secret say they are meant', async () => {
  const NODE_ENV = 'production';
  const STORAGE_SECRET = 'a secret for tests';
  const STORAGE_DRIVER = 'fs';
  const code = (code: string): unknown => expect.objectContaining({ code });
  expect(() => createStorage({ env: { NODE_ENV } })).toThrow(code('E_STORAGE_DRIVER_REQUIRED'));
  expect(() => createStorage({ env: { NODE_ENV, STORAGE_SECRET } })).toThrow(
    code('E_STORAGE_DRIVER_REQUIRED'),
  );
  expect(() => createStorage({ env: { NODE_ENV, STORAGE_DRIVER } })).toThrow(
    code('E_STORAGE_SECRET_REQUIRED'),
  );
  const dir = newFolder();
  const made = createStorage({ env: { NODE_ENV, STORAGE_DRIVER, STORAGE_SECRET, STORAGE_DIR: dir } });
  await made.put('k', 'x');
  expect(readFileSync(`${dir}/files/k`, 'utf8').startsWith('x')).toBe(true);
  await made.close();
});

test('the default storage rejects, never throws, when it cannot be made', async () => {
  const { NODE_ENV } = process.env;
  process.env.NODE_ENV = 'production';
  try {
    await expect(storage.put('k', 'x')).rejects.toMatchObject({ code: 'E_STORAGE_DRIVER_REQUIRED' });
    await expect(storage.list().page()).rejects.toMatchObject({ code: 'E_STORAGE_DRIVER_REQUIRED' });
    await expect(storage.ready()).rejects.toMatchObject({ code: 'E_STORAGE_DRIVER_REQUIRED' });
  } finally {
    process.env.NODE_ENV = NODE_ENV;
  }
});

test('its health check makes a round trip', async () => {
  configureStorage({ dir: newFolder() });
  expect(await storageHealthCheck()({ signal })).toEqual({ status: 'ok', data: { driver: 'fs' } });
  expect((await storage.list().page()).files).toEqual([]);
  configureStorage({ dir: '/dev/null/nowhere', replace: true });
  await expect(storageHealthCheck()({ signal })).rejects.toMatchObject({ code: 'E_STORAGE_UNAVAILABLE' });
});

test('a shutdown closes it', async () => {
  configureStorage({ dir: newFolder() });
  const report = await shutdown('test');
  expect(report.hooks.map(({ name, status }) => [name, status])).toContainEqual(['storage', 'done']);
  await expect(storage.info('k')).rejects.toMatchObject({ code: 'E_STORAGE_CLOSED' });
});

test('a closed storage takes its shutdown hook back', async () => {
  await createStorage({ dir: newFolder(), env: {} }).close();
  expect((await shutdown('test')).hooks).toEqual([]);
});

test('fakeStorage stands in for the default one, on its own clock, and gives way again', async () => {
  configureStorage({ dir: newFolder() });
  await storage.put('k', 'real');
  {
    using fake = testing.fakeStorage();
    await fake.assertMissing('k');
    await storage.put('k', 'fake', { metadata: { a: '1' } });
    expect((await fake.assertStored('k')).metadata).toEqual({ a: '1' });
    await fake.assertStored('k', 'fake');
    await fake.assertStored('k', Buffer.from('fake'));
    await expect(fake.assertStored('k', 'other')).rejects.toThrow('unexpected content stored under "k"');
    await expect(fake.assertStored('none')).rejects.toThrow('expected a file to be stored under "none"');
    await expect(fake.assertMissing('k')).rejects.toThrow('expected no file to be stored under "k"');
    const url = new URL(await storage.signedUrl('k', { expiresIn: '15m' }), 'http://localhost');
    const response = await storage.handler()(new Request(url));
    expect(await response.text()).toBe('fake');
    await fake.clock.advance('15m');
    expect((await storage.handler()(new Request(url))).status).toBe(403);
  }
  expect(await (await storage.get('k')).text()).toBe('real');
});
