import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { loadedBy, loadedFiles } from '@vibeonrails/vitest-config/examples';
import { expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import * as root from '../src/index.ts';
import { VERSION } from '../src/module.ts';
import * as testing from '../src/testing.ts';

const folder = new URL('..', import.meta.url);

test('the root exports these names', () => {
  expect(Object.keys(root).sort()).toMatchInlineSnapshot(`
    [
      "DefinitionError",
      "DuplicateNameError",
      "JobCancelledError",
      "JobLostError",
      "JobTimeoutError",
      "LimitKeyError",
      "PayloadError",
      "PayloadSizeError",
      "QueueClosedError",
      "QueueOptionError",
      "QueueUnavailableError",
      "RedisVersionError",
      "StepResultError",
      "UnrecoverableError",
      "WorkerStoppingError",
      "cancelJob",
      "configureQueue",
      "createQueue",
      "crons",
      "defineCron",
      "defineJob",
      "enqueue",
      "enqueueMany",
      "queue",
      "queueHealthCheck",
      "runChain",
      "startWorker",
    ]
  `);
});

test('./testing exports these names', () => {
  expect(Object.keys(testing).sort()).toMatchInlineSnapshot(`
    [
      "fakeQueue",
      "queueDriverSuite",
    ]
  `);
});

test('importing the root loads a few small files, and none of what jobs run on', async () => {
  expect(await loadedBy(folder, '@vibeonrails/infra-queue')).toEqual([]);
  const own = (await loadedFiles(folder, '@vibeonrails/infra-queue')).map(
    (file) => file.split('/infra-queue/src/')[1],
  );
  expect(own.filter((file) => file !== undefined)).toMatchInlineSnapshot(`
    [
      "config.ts",
      "core.ts",
      "cron.ts",
      "definitions.ts",
      "errors.ts",
      "index.ts",
      "module.ts",
      "queue.ts",
    ]
  `);
});

test('importing the root loads no part of Node.js that takes long', async () => {
  const code = `await import('@vibeonrails/infra-core');
    const before = new Set(process.moduleLoadList);
    await import('@vibeonrails/infra-queue');
    console.log(process.moduleLoadList.filter((name) => !before.has(name)).join(', '));`;
  const flags = ['--import', 'tsx', '--conditions', '@vibeonrails/infra-source', '--input-type=module'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, '--eval', code], { cwd: folder });
  expect(stdout.trim()).toBe('');
});

test('the published entries are those of the workspace without the source condition', () => {
  const published: Record<string, object | string> = manifest.publishConfig.exports;
  const stripped = Object.entries(manifest.exports).map(([entry, target]) => {
    if (typeof target === 'string') return [entry, target];
    const { '@vibeonrails/infra-source': _, ...rest } = target;
    return [entry, rest];
  });
  expect(published).toEqual(Object.fromEntries(stripped));
});

test('the version is that of the package', () => {
  expect(VERSION).toBe(manifest.version);
});
