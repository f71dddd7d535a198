import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadedBy, loadedFiles } from '@vibeonrails/vitest-config/examples';
import { expect, test } from 'vitest';
import { VERSION } from '../src/version.ts';

const folder = new URL('..', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));

test.each(['index', 'logging', 'http', 'testing'])('%s exports these names', async (entry) => {
  expect(Object.keys(await import(`../src/${entry}.ts`)).sort()).toMatchSnapshot();
});

test('every entry point is published as it is used here, without the source condition', () => {
  const published = Object.fromEntries(
    Object.entries(manifest.exports as Record<string, string | Record<string, string>>).map(
      ([entry, target]) => {
        if (typeof target === 'string') return [entry, target];
        const { '@vibeonrails/infra-source': _, ...rest } = target;
        return [entry, rest];
      },
    ),
  );
  expect(manifest.publishConfig.exports).toEqual(published);
});

test('the version in the code is the one of the package', () => {
  expect(VERSION).toBe(manifest.version);
});

test('importing the root loads no other package, and neither logging nor HTTP', async () => {
  expect(await loadedBy(folder, '@vibeonrails/infra-core')).toEqual([]);
  const files = await loadedFiles(folder, '@vibeonrails/infra-core');
  expect(files.filter((file) => /(logging|pretty|http|serve|node-handler)\.ts$/.test(file))).toEqual([]);
});

test('importing the root loads these files, and of Node.js nothing that takes longer than the root itself', async () => {
  const src = fileURLToPath(new URL('src/', folder));
  const files = await loadedFiles(folder, '@vibeonrails/infra-core');
  const own = files.filter((file) => file.startsWith(src));
  expect(own.map((file) => file.slice(src.length))).toMatchInlineSnapshot(`
    [
      "config.ts",
      "context.ts",
      "errors.ts",
      "index.ts",
      "lifecycle.ts",
      "logger.ts",
      "module.ts",
      "readers.ts",
      "redaction.ts",
      "settings.ts",
      "signals.ts",
      "slots.ts",
      "standard-schema.ts",
      "telemetry.ts",
      "time.ts",
    ]
  `);
  const imports = own.flatMap((file) => [
    ...readFileSync(file, 'utf8').matchAll(/^(?:import|\}) (?!type\b).*from '(node:.*)'/gm),
  ]);
  // Not node:fs, whose import loads the streams.
  expect(imports.map(([, name]) => name).sort()).toEqual(['node:async_hooks', 'node:diagnostics_channel']);
});

test('http and testing load no other package either; logging loads pino', async () => {
  expect(await loadedBy(folder, '@vibeonrails/infra-core/http')).toEqual([]);
  expect(await loadedBy(folder, '@vibeonrails/infra-core/testing')).toEqual([]);
  expect(await loadedBy(folder, '@vibeonrails/infra-core/logging')).toContain('pino');
});
