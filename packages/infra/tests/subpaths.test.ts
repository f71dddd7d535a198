import { readFileSync } from 'node:fs';
import { loadedFiles } from '@vibeonrails/vitest-config/examples';
import { describe, expect, it, test } from 'vitest';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const modules = ['cache', 'email', 'health', 'monitoring', 'queue', 'realtime', 'storage'];
const same: Record<string, string> = {
  './core': '@vibeonrails/infra-core',
  './http': '@vibeonrails/infra-core/http',
  './logging': '@vibeonrails/infra-core/logging',
  './testing': '@vibeonrails/infra-core/testing',
  './realtime/client': '@vibeonrails/infra-realtime/client',
  ...Object.fromEntries(
    modules.flatMap((name) => [
      [`./${name}`, `@vibeonrails/infra-${name}`],
      [`./${name}/testing`, `@vibeonrails/infra-${name}/testing`],
    ]),
  ),
};

describe('a subpath is the module', () => {
  it.each(Object.entries(same))('%s holds the objects of %s', async (subpath, specifier) => {
    const ours = await import(/* @vite-ignore */ subpath.replace('.', '@vibeonrails/infra'));
    const theirs = await import(/* @vite-ignore */ specifier);
    expect(Object.keys(ours).sort()).toEqual(Object.keys(theirs).sort());
    for (const name of Object.keys(theirs)) expect(ours[name]).toBe(theirs[name]);
  });

  it('every published entry is one of them, the root or config', () => {
    const entries = Object.keys(manifest.publishConfig.exports);
    expect(entries.sort()).toEqual([...Object.keys(same), '.', './config', './package.json'].sort());
    expect(Object.keys(manifest.exports).sort()).toEqual(entries);
  });
});

test('the root exports boot, its error, and nothing else', async () => {
  expect(Object.keys(await import('@vibeonrails/infra')).sort()).toEqual(['BootError', 'boot']);
});

test('config holds the part of core that its name says', async () => {
  const config = await import('@vibeonrails/infra/config');
  const core: Record<string, unknown> = await import('@vibeonrails/infra-core');
  for (const [name, value] of Object.entries(config)) expect(value).toBe(core[name]);
  expect(Object.keys(config)).toContain('defineConfig');
});

describe('importing one subpath loads no other module', () => {
  const folder = new URL('..', import.meta.url);
  it.each(['', ...modules.map((name) => `/${name}`), '/config', '/logging'])(
    '@vibeonrails/infra%s',
    async (subpath) => {
      const files = await loadedFiles(folder, `@vibeonrails/infra${subpath}`);
      // Of infra-redis, which is a layer and no module, a subpath may declare the variables.
      const others = files.filter((file) => !/infra-redis.src.variables\.ts$/.test(file));
      const loaded = new Set(others.flatMap((file) => /packages.infra-([a-z]+)/.exec(file)?.[1] ?? []));
      loaded.delete('core');
      loaded.delete(subpath.slice(1));
      expect([...loaded]).toEqual([]);
    },
  );
});
