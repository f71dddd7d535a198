import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describeConfig, modulesInUse } from '@vibeonrails/infra-core';
import { fakeClock, resetInfra } from '@vibeonrails/infra-core/testing';
import { loadedBy, loadedFiles } from '@vibeonrails/vitest-config/examples';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import * as client from '../src/client.ts';
import * as root from '../src/index.ts';
import { VERSION } from '../src/module.ts';
import * as testing from '../src/testing.ts';
import { eventually, serve } from './peers.ts';

const folder = fileURLToPath(new URL('..', import.meta.url));
const VARIABLES = [
  'REALTIME_ALLOWED_ORIGINS',
  'REALTIME_DRIVER',
  'REALTIME_ENGINE',
  'REALTIME_PORT',
  'REALTIME_REDIS_URL',
  'REDIS_URL',
];

afterEach(async () => {
  await root.realtime.close();
  resetInfra();
});

describe('the entry points', () => {
  test('offer these names and no others', () => {
    expect(Object.keys(root).sort()).toMatchInlineSnapshot(`
      [
        "CLOSE_CODES",
        "RealtimeBrokerError",
        "RealtimeChannelNameError",
        "RealtimeChannelRuleError",
        "RealtimeClientError",
        "RealtimeClientUnknownError",
        "RealtimeClosedError",
        "RealtimeEngineError",
        "RealtimeEventNameError",
        "RealtimeLoadError",
        "RealtimeOptionError",
        "RealtimeOriginsError",
        "RealtimePayloadError",
        "channel",
        "configureRealtime",
        "createRealtime",
        "createRealtimeServer",
        "disconnectUser",
        "getSubscribers",
        "presence",
        "publish",
        "realtime",
        "realtimeHealthCheck",
        "registerClient",
        "subscribe",
        "toUser",
        "unregisterClient",
        "unsubscribe",
      ]
    `);
    expect(Object.keys(client).sort()).toMatchInlineSnapshot(`
      [
        "RealtimeRequestError",
        "createClient",
      ]
    `);
    expect(Object.keys(testing).sort()).toMatchInlineSnapshot(`
      [
        "fakeRealtime",
        "realtimeDriverSuite",
        "realtimeEngineSuite",
      ]
    `);
  });

  test('load no library on import', async () => {
    expect(await loadedBy(folder, '@vibeonrails/infra-realtime')).toEqual([]);
    expect(await loadedBy(folder, '@vibeonrails/infra-realtime/client')).toEqual([]);
  });

  test('keep small what the root loads: no engine, of Redis its variables alone, no module of Node', async () => {
    const files = await loadedFiles(folder, '@vibeonrails/infra-realtime');
    const own = files.filter((file) => file.startsWith(join(folder, 'src')));
    expect(own.map((file) => relative(join(folder, 'src'), file))).toEqual([
      'channels.ts',
      'config.ts',
      'core.ts',
      'errors.ts',
      'hub.ts',
      'index.ts',
      'module.ts',
      'registry.ts',
      'server.ts',
    ]);
    for (const file of own)
      expect(await readFile(file, 'utf8'), file).not.toMatch(/^(import|export) (?!type)[^;]*'node:/m);
    const redis = files.filter((file) => file.includes('infra-redis'));
    expect(redis.map((file) => basename(file))).toEqual(['variables.ts']);
  });

  test('know the version of package.json', async () => {
    const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    expect(VERSION).toBe(version);
  });

  test('publish what they export', async () => {
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    expect(Object.keys(manifest.publishConfig.exports)).toEqual(Object.keys(manifest.exports));
  });
});

test('the browser client is one plain module once compiled, without an import, and works as such', async () => {
  const out = await mkdtemp(join(tmpdir(), 'infra-realtime-'));
  onTestFinished(() => rm(out, { recursive: true, force: true }));
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  const tsc = join(dirname(manifest), JSON.parse(await readFile(manifest, 'utf8')).bin.tsc);
  const source = join(folder, 'src/client.ts');
  const flags = [
    '--ignoreConfig',
    '--target',
    'es2022',
    '--module',
    'esnext',
    '--lib',
    'es2023',
    '--types',
    'node',
  ];
  const rest = [
    '--allowImportingTsExtensions',
    '--rewriteRelativeImportExtensions',
    '--verbatimModuleSyntax',
    '--strict',
  ];
  await promisify(execFile)(process.execPath, [tsc, source, '--outDir', out, ...flags, ...rest], {
    cwd: folder,
  });
  const file = join(out, 'client.js');
  const text = await readFile(file, 'utf8');
  expect(text).not.toMatch(/^\s*(import|export\s.*\sfrom)\b|\bimport\(|\brequire\(/m);
  const compiled = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as typeof client;
  const { url } = await serve();
  const one = compiled.createClient({ url, WebSocket });
  await eventually(() => expect(one.state).toBe('connected'));
  one.close();
});

test('uWebSockets.js is an optional peer by its metadata alone: it is on no registry to be looked up in', async () => {
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  expect(manifest.peerDependenciesMeta['uWebSockets.js']).toEqual({ optional: true });
  expect(Object.keys({ ...manifest.peerDependencies, ...manifest.dependencies })).not.toContain(
    'uWebSockets.js',
  );
});

describe('a part that cannot be loaded', () => {
  const broken = (): never => {
    throw new Error('file not found');
  };
  const code = { code: 'E_REALTIME_LOAD' };
  afterEach(() => {
    vi.doUnmock('../src/gateway.ts');
    vi.doUnmock('../src/drivers/redis.ts');
  });

  test('is a coded error of a server', async () => {
    vi.doMock('../src/gateway.ts', broken);
    const server = root.createRealtimeServer({ env: {} });
    await expect(server.listen()).rejects.toMatchObject(code);
    await server.close();
  });

  test('is a coded error of a hub, at ready and as the cause at each call', async () => {
    vi.doMock('../src/drivers/redis.ts', broken);
    const hub = root.createRealtime({ redis: { url: 'redis://127.0.0.1:1' }, env: {} });
    await expect(hub.ready()).rejects.toMatchObject(code);
    const refused = { code: 'E_REALTIME_BROKER', cause: expect.objectContaining(code) };
    await expect(hub.publish('c', 'e', 1)).rejects.toMatchObject(refused);
    await hub.close();
  });
});

describe('the default hub', () => {
  test('is what the module-level functions work on', async () => {
    const got: string[] = [];
    const forget = root.registerClient({
      id: 'user-1',
      userId: 'ada',
      send: (d) => got.push(d),
      close: () => undefined,
    });
    root.subscribe('chat-room', 'user-1');
    expect(root.getSubscribers('chat-room')).toEqual(['user-1']);
    await root.publish('chat-room', 'e', 1);
    await root.toUser('ada', 'e', 2);
    expect(got).toEqual(['{"ch":"chat-room","ev":"e","d":1}', '{"ev":"e","d":2}']);
    expect(await root.presence('chat-room')).toEqual([]);
    expect(root.unsubscribe('chat-room', 'user-1')).toBe(true);
    await root.disconnectUser('ada');
    expect(root.unregisterClient('user-1')).toBe(false);
    forget();
    expect(root.realtime.stats()).toMatchObject({ clients: 0, published: 1, delivered: 2 });
    expect(root.realtime.driver).toBe('memory');
    await root.realtime.ready();
    expect(await root.realtime.drain()).toEqual({ drained: 0 });
  });

  test('is configured once, before its first use', () => {
    root.configureRealtime({ driver: 'memory' });
    expect(() => root.configureRealtime({})).toThrow(
      expect.objectContaining({ code: 'E_REALTIME_CONFIGURED' }),
    );
    root.configureRealtime({ replace: true });
  });

  test('is where a server puts its clients unless it is told otherwise', async () => {
    const server = root.createRealtimeServer({ env: {} });
    onTestFinished(() => server.close());
    const one = client.createClient({ url: await server.listen(), WebSocket });
    onTestFinished(() => one.close());
    await eventually(() => expect(root.realtime.stats().clients).toBe(1));
  });

  test('registers itself as a module with its variables', () => {
    expect(modulesInUse().find(({ module }) => module === 'realtime')).toMatchObject({
      package: '@vibeonrails/infra-realtime',
      contract: 1,
    });
    const mine = describeConfig().filter((row) => row.package === '@vibeonrails/infra-realtime');
    expect(mine.map(({ variable }) => variable)).toEqual(VARIABLES);
  });

  test.each([
    [{}, 'memory'],
    [{ REDIS_URL: 'redis://h' }, 'redis'],
    [{ REALTIME_REDIS_URL: 'redis://h' }, 'redis'],
    [{ REDIS_URL: 'redis://h', REALTIME_DRIVER: 'memory' }, 'memory'],
  ])('with %j it runs on %s', async (env, driver) => {
    const hub = root.createRealtime({ env });
    expect(hub.driver).toBe(driver);
    await hub.close();
  });

  test('says in production that processes do not reach each other, unless memory was chosen', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const close = (env: Record<string, string>): unknown => root.createRealtime({ env }).close();
    void close({ NODE_ENV: 'production', REALTIME_DRIVER: 'memory' });
    expect(write).not.toHaveBeenCalled();
    void close({ NODE_ENV: 'production' });
    expect(String(write.mock.calls[0]?.[0])).toContain('REALTIME_DRIVER=memory');
  });
});

describe('the health check', () => {
  const { signal } = new AbortController();

  test('sends a message through the broker and leaves nothing behind', async () => {
    const result = await root.realtimeHealthCheck()({ signal });
    expect(result).toEqual({ status: 'ok', data: { driver: 'memory', clients: 0, channels: 0 } });
    expect(root.realtime.stats()).toMatchObject({ clients: 0, channels: 0 });
  });

  test('rejects when nothing comes back before its signal aborts', async () => {
    const { memoryDriver } = await import('../src/drivers/memory.ts');
    root.configureRealtime({ driver: { ...memoryDriver(), publish: async () => undefined } });
    const timeout = new AbortController();
    const check = root.realtimeHealthCheck()({ signal: timeout.signal });
    timeout.abort(new Error('too late'));
    await expect(check).rejects.toThrow('too late');
    expect(root.realtime.stats().clients).toBe(0);
  });
});

describe('the fake', () => {
  test('records what clients get and what is published, and gives the former hub back', async () => {
    const former = root.realtime.stats();
    root.registerClient({ id: 'real', send: () => undefined, close: () => undefined });
    {
      using fake = testing.fakeRealtime();
      const ada = fake.client('a', { userId: 'ada' }).subscribe('room');
      expect(fake.client('a')).toBe(ada);
      await root.publish('room', 'message', { text: 'hi', tags: ['x'] });
      await root.toUser('ada', 'notice', 1);
      expect(ada.received).toEqual([
        { channel: 'room', event: 'message', data: { text: 'hi', tags: ['x'] } },
        { event: 'notice', data: 1 },
      ]);
      fake.assertPublished('room', 'message');
      fake.assertPublished('room', 'message', { text: 'hi' });
      fake.assertPublished('room', 'message', { tags: ['x'] });
      fake.assertNotPublished('other');
      fake.assertNotPublished('room', 'other');
      expect(() => fake.assertPublished('room', 'message', { text: 'no' })).toThrow('"text":"hi"');
      expect(() => fake.assertPublished('room', 'message', { tags: [] })).toThrow();
      expect(() => fake.assertPublished('other', 'message')).toThrow();
      expect(() => fake.assertNotPublished('room')).toThrow();
      await root.disconnectUser('ada');
      expect(ada.closedWith).toBe(4003);
    }
    expect(root.realtime.stats()).toMatchObject({ ...former, clients: 1 });
  });

  test('holds time still', () => {
    using fake = testing.fakeRealtime();
    expect(fake.clock.now()).toBe(fakeClock().now());
  });
});
