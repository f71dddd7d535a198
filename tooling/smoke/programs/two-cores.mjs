// In an application that has a module and a core, which may not be the core that the module found: asks that there is
// one registry, one lifecycle and one context. Arguments: the module's version, the core's, and how many cores.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [moduleVersion, coreVersion, copies] = process.argv.slice(2);
const load = (specifier, from = import.meta.url) =>
  import(pathToFileURL(createRequire(from).resolve(specifier)).href);

const core = await load('@vibeonrails/infra-core');
const { cache } = await load('@vibeonrails/infra-cache');
// The core that the module itself finds.
const own = await load(
  '@vibeonrails/infra-core',
  createRequire(import.meta.url).resolve('@vibeonrails/infra-cache'),
);
assert.equal(own === core ? 1 : 2, Number(copies), 'installed copies of core');
const { version } = createRequire(import.meta.url)('@vibeonrails/infra-core/package.json');
assert.equal(version, coreVersion, "the application's core");

const seen = core.modulesInUse().map((module) => `${module.module} ${module.version}`);
assert.ok(seen.includes(`cache ${moduleVersion}`), `one registry: it holds ${seen}`);
assert.ok(
  core.describeConfig({}).some(({ variable }) => variable === 'CACHE_NAMESPACE'),
  'one configuration',
);

const error = await cache.set('key', 'value').catch((thrown) => thrown);
assert.ok(core.isInfraError(error), `isInfraError knows ${error}`);
assert.equal(error instanceof core.InfraError, own === core, 'two classes where there are two copies');

await core.runWithContext({ requestId: 'request-1' }, async () => {
  const inside = await cache.getOrSet('who', '1m', async () => own.currentContext()?.requestId);
  assert.equal(inside, 'request-1', 'one context');
});

const heard = [];
core.subscribeOperation('cache.get', { end: ({ key }) => heard.push(key) });
await cache.get('who');
assert.equal(heard.length, 1, 'one telemetry');

const report = await core.shutdown('the end');
assert.equal(own.lifecycleState(), 'stopped', 'one lifecycle');
assert.ok(report.ok && report.hooks.some(({ name }) => name.includes('cache')), 'the cache was closed by it');
