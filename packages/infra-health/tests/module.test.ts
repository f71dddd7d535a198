import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Logger, modulesInUse, shutdown, slot, subscribeOperation } from '@vibeonrails/infra-core';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { loadedBy, loadedFiles } from '@vibeonrails/vitest-config/examples';
import { afterEach, expect, test, vi } from 'vitest';
import * as root from '../src/index.ts';
import { VERSION } from '../src/module.ts';
import * as testing from '../src/testing.ts';

const { checkHealth, configureHealth, createHealth, healthHandler, markStarted, registerHealthCheck } = root;
const home = new URL('..', import.meta.url);
afterEach(resetInfra);

test('the public names stay as they are', () => {
  expect(Object.keys(root).sort()).toMatchInlineSnapshot(`
    [
      "HealthCheckDuplicateError",
      "HealthCheckInvalidError",
      "checkHealth",
      "configureHealth",
      "createHealth",
      "disk",
      "eventLoop",
      "healthHandler",
      "http",
      "markStarted",
      "memory",
      "registerHealthCheck",
      "tcp",
    ]
  `);
  expect(Object.keys(testing).sort()).toMatchInlineSnapshot(`
    [
      "fakeHealth",
    ]
  `);
});

test('the version is the one of package.json', () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(VERSION).toBe(version);
});

test('importing it loads no library', async () => {
  expect(await loadedBy(home, '@vibeonrails/infra-health')).toEqual([]);
});

test('importing it loads a few small files, and nothing of Node.js', async () => {
  const src = fileURLToPath(new URL('src/', home));
  const files = await loadedFiles(home, '@vibeonrails/infra-health');
  const own = files.filter((file) => file.startsWith(src));
  expect(own.map((file) => file.slice(src.length))).toMatchInlineSnapshot(`
    [
      "checks.ts",
      "core.ts",
      "errors.ts",
      "index.ts",
      "module.ts",
      "ready-made.ts",
    ]
  `);
  const imports = own.flatMap((file) => [
    ...readFileSync(file, 'utf8').matchAll(/^(?:import|\}) (?!type\b).*from '(node:.*)'/gm),
  ]);
  expect(imports).toEqual([]);
});

test('it is in use once imported', async () => {
  const module = modulesInUse().find((one) => one.module === 'health');
  expect(module).toMatchObject({ package: '@vibeonrails/infra-health', contract: 1 });
  await module?.ready();
});

test('the example of the specification works as printed', async () => {
  const db = { execute: async (query: string) => [query] };
  const sql = ([text]: TemplateStringsArray) => String(text);
  registerHealthCheck('database', async () => {
    await db.execute(sql`SELECT 1`);
    return { status: 'ok' };
  });
  expect(await checkHealth()).toMatchObject({ status: 'ok', checks: [{ name: 'database', status: 'ok' }] });
});

test('a status that is none does not compile', () => {
  // @ts-expect-error 'up' is not one of the three words
  registerHealthCheck('a', async () => ({ status: 'up' }));
  // @ts-expect-error a check answers
  registerHealthCheck('b', async () => undefined);
});

test('the default registry is configured once, or replaced by an empty one on demand', async () => {
  configureHealth({ timeout: 20 });
  registerHealthCheck('hangs', () => new Promise<never>(() => undefined));
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  expect((await checkHealth()).checks[0]?.message).toBe('did not answer within 20 ms');
  expect(() => configureHealth({})).toThrow(expect.objectContaining({ code: 'E_HEALTH_CONFIGURED' }));
  configureHealth({ replace: true });
  expect((await checkHealth()).checks).toEqual([]);
});

test('an isolated registry and the default one do not know each other', async () => {
  createHealth().register('mine', () => ({ status: 'error' }));
  expect((await checkHealth()).status).toBe('ok');
});

test('each run of a check is an operation that carries its row', async () => {
  const seen: unknown[] = [];
  const end = subscribeOperation('health.check', {
    end: ({ name, result }) => seen.push([name, (result as root.HealthRow).status]),
  });
  registerHealthCheck('a', () => ({ status: 'degraded' }), { cacheFor: '1h' });
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  await checkHealth();
  await checkHealth();
  end();
  expect(seen).toEqual([['a', 'degraded']]);
});

test('a change of status is logged once, with the stack that the report leaves out', async () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  let works = false;
  registerHealthCheck('database', () => {
    if (!works) throw new Error('connection refused');
    return { status: 'ok' };
  });
  await checkHealth();
  await checkHealth();
  works = true;
  await checkHealth();
  const lines = write.mock.calls.map(([line]) => JSON.parse(String(line)));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    level: 40,
    module: 'health',
    check: 'database',
    status: 'error',
    before: 'ok',
    err: { message: 'connection refused', stack: expect.stringContaining('at ') },
  });
});

test('a logger that fails does not cost the report', async () => {
  const broken = () => {
    throw new Error('disk full');
  };
  const logger = { warn: broken, info: broken, isLevelEnabled: () => true } as unknown as Logger;
  const holder = slot<{ backend?: Logger }>('logger', 1, () => ({}));
  holder.backend = { ...logger, child: () => logger };
  try {
    registerHealthCheck('a', () => ({ status: 'error' }));
    expect((await checkHealth()).status).toBe('error');
  } finally {
    delete holder.backend;
  }
});

test('a shutdown ends its background runs', async () => {
  registerHealthCheck('a', () => ({ status: 'ok' }), { interval: '1h' });
  const report = await shutdown('test');
  expect(report.hooks).toMatchObject([{ name: 'health', phase: 'stop', status: 'done' }]);
});

test('fakeHealth stands in for the default registry, decides the answers, and gives way again', async () => {
  const real = vi.fn(() => ({ status: 'ok' as const }));
  registerHealthCheck('real', real);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  {
    using fake = testing.fakeHealth();
    registerHealthCheck('database', real, { critical: false, cacheFor: '10s' });
    fake.assertRegistered('database');
    fake.assertRegistered('database', { critical: false });
    expect(() => fake.assertRegistered('database', { critical: true })).toThrow(
      '"database" has another critical',
    );
    expect(() => fake.assertRegistered('cache')).toThrow('expected a health check "cache", found database');
    await fake.assertStatus('ok');
    fake.set('database', 'error');
    await fake.assertStatus('ok');
    await fake.clock.advance('10s');
    await fake.assertStatus('degraded', 'ready');
    fake.set('queue', { status: 'error', message: 'no worker' });
    await expect(fake.assertStatus('ok')).rejects.toThrow('database: error, queue: error');
    const probe = async () => (await healthHandler()(new Request('http://localhost/readyz'))).status;
    expect(await probe()).toBe(503);
    fake.set('queue', 'ok');
    expect(await probe()).toBe(200);
    fake.setLifecycle('draining');
    expect(await probe()).toBe(503);
    markStarted();
    await fake.assertStatus('ok', 'startup');
    expect(real).not.toHaveBeenCalled();
    fake.restore();
  }
  expect((await checkHealth()).checks.map(({ name }) => name)).toEqual(['real']);
});
