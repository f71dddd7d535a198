import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { environment, PACKAGE, watch } from './child.ts';

/** Two folders as npm lays them out when two packages need different versions of core: built, each with its own files. */
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'infra two copies '));
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const built = join(folder, 'a', 'dist');
  await promisify(execFile)(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', built], {
    cwd: PACKAGE,
  });
  await writeFile(join(folder, 'a', 'package.json'), '{ "type": "module" }');
  await symlink(join(PACKAGE, 'node_modules'), join(folder, 'a', 'node_modules'), 'junction');
  await cp(join(folder, 'a'), join(folder, 'b'), { recursive: true, verbatimSymlinks: true });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs code that has both copies as `a` and `b`, and returns what it printed as JSON lines. */
async function withBoth(code: string): Promise<unknown[]> {
  const script = `
    import * as a from './a/dist/index.js';
    import * as b from './b/dist/index.js';
    const say = (...values) => console.log(JSON.stringify(values));
    ${code}`;
  const args = ['--input-type=module', '--eval', script];
  const child = watch(
    spawn(process.execPath, args, { cwd: folder, env: environment(), stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  expect(`${await child.ended} ${child.stderr()}`).toBe('0 ');
  return child.lines();
}

test('they are two: their classes and functions differ', async () => {
  expect(
    await withBoth(
      `say(a.InfraError !== b.InfraError, a.logger !== b.logger, a.onShutdown !== b.onShutdown);`,
    ),
  ).toEqual([[true, true, true]]);
});

test('an error of one is recognised by the other', async () => {
  expect(
    await withBoth(`
      const error = new a.InfraError('x', { code: 'E_X' });
      say(error instanceof b.InfraError, b.isInfraError(error), b.isInfraError(error, 'E_X'));`),
  ).toEqual([[false, true, true]]);
});

test('they share what was declared of the configuration', async () => {
  expect(
    await withBoth(`
      a.defineConfig({ A_PORT: a.int() }, { package: 'a' });
      b.defineConfig({ B_PORT: b.int() }, { package: 'b' });
      const names = (copy) => copy.describeConfig({}).map((entry) => entry.package + ' ' + entry.variable);
      say(names(a).filter((name) => name.endsWith('_PORT')), JSON.stringify(names(a)) === JSON.stringify(names(b)));
      say(names(a).filter((name) => name.includes('LOG_LEVEL')).length);
      try { a.checkConfig({}); } catch (error) { say(error.problems.map(({ variable }) => variable)); }`),
  ).toEqual([[['a A_PORT', 'b B_PORT'], true], [1], [['A_PORT', 'B_PORT']]]);
});

test('they share the context', async () => {
  expect(
    await withBoth(`
      await a.runWithContext({ requestId: 'r' }, async () => {
        await null;
        say(b.currentContext(), b.inject({}));
      });`),
  ).toEqual([[{ requestId: 'r' }, { 'x-request-id': 'r' }]]);
});

test('they share the lifecycle: hooks, order, state and report', async () => {
  expect(
    await withBoth(`
      const ran = [];
      a.onShutdown('a closes', () => ran.push('a closes ' + b.lifecycleState()));
      b.onShutdown('b drains', () => ran.push('b drains'), { phase: 'drain' });
      a.onShutdown('a drains', () => ran.push('a drains'), { phase: 'drain' });
      const [first, second] = await Promise.all([b.shutdown('from b'), a.shutdown('from a')]);
      say(ran, first === second, first.reason, a.lifecycleState());`),
  ).toEqual([[['a drains', 'b drains', 'a closes draining'], true, 'from b', 'stopped']]);
});

test('they share the modules and their default instances', async () => {
  expect(
    await withBoth(`
      const module = (copy, label) => copy.defineModule({
        module: 'sample', package: '@sample/sample', version: '1', contract: 1,
        create: () => ({ label, ready: async () => {}, close: async () => {} }),
      });
      const [one, two] = [module(a, 'of a'), module(b, 'of b')];
      say(two.instance().label, one.instance() === two.instance(), a.modulesInUse().length, b.modulesInUse().length);
      try { one.configure({}); } catch (error) { say(b.isInfraError(error, 'E_SAMPLE_CONFIGURED')); }`),
  ).toEqual([['of b', true, 1, 1], [true]]);
});

test('they share telemetry: one traces, the other hears', async () => {
  expect(
    await withBoth(`
      const heard = [];
      b.subscribeOperation('cache.get', { end: (event) => heard.push([event.key, event.result]) });
      await a.operation('cache.get').trace(async () => 'hit', { key: 'k', driver: 'memory' });
      say(heard);`),
  ).toEqual([[[['k', 'hit']]]]);
});

test('the facade of one writes through the pino of the other, with the ids of the shared context', async () => {
  const lines = await withBoth(`
    const child = a.logger.child({ module: 'cache' });
    await import('./b/dist/logging.js');
    a.runWithContext({ requestId: 'r' }, () => child.info('through b'));
    const { setLogger, createLogger } = await import('./a/dist/logging.js');
    b.logger.info('still through b');
    setLogger(createLogger({ name: 'set by a' }));
    b.logger.info('through a');
    child.info('through a as well');`);
  expect(lines).toMatchObject([
    { module: 'cache', request_id: 'r', msg: 'through b' },
    { msg: 'still through b' },
    { service: 'set by a', msg: 'through a' },
    { service: 'set by a', module: 'cache', msg: 'through a as well' },
  ]);
});

test('a warning about a driver is given once, whichever copy asks', async () => {
  expect(
    await withBoth(`
      const warned = [];
      await import('./a/dist/logging.js').then(({ setLogger }) => setLogger({ warn: (fields) => warned.push(fields.module) }));
      for (const copy of [a, b]) copy.chooseDriver({ module: 'cache', embedded: 'memory', inProduction: 'warn', help: '', env: { NODE_ENV: 'production' } });
      say(warned);`),
  ).toEqual([[['cache']]]);
});

test('state of another contract is refused by name', async () => {
  expect(
    await withBoth(`
      a.slot('future', 2, () => ({}));
      try { b.slot('future', 1, () => ({})); } catch (error) { say(error.code, a.isInfraError(error)); }`),
  ).toEqual([['E_SLOT_CONTRACT', true]]);
});
