import { loadedBy } from '@vibeonrails/vitest-config/examples';
import { expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import * as root from '../src/index.ts';
import * as testing from '../src/testing.ts';
import { VERSION } from '../src/version.ts';

const folder = new URL('..', import.meta.url);

test('the root exports these names', () => {
  expect(Object.keys(root).sort()).toMatchInlineSnapshot(`
    [
      "DefinitionError",
      "DuplicateNameError",
      "JobCancelledError",
      "JobLostError",
      "JobTimeoutError",
      "PayloadError",
      "PayloadSizeError",
      "QueueClosedError",
      "QueueOptionError",
      "QueueUnavailableError",
      "RedisVersionError",
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

test('importing the root loads the cron parser and nothing else', async () => {
  expect(await loadedBy(folder, '@vibeonrails/infra-queue')).toEqual(['croner']);
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
