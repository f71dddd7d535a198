import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@vibeonrails/smoke/commands';
import { installedIn, newConsumer } from '@vibeonrails/smoke/consumer';
import { publishedPackages } from '@vibeonrails/smoke/packages';
import { type Registry, startRegistry } from '@vibeonrails/smoke/registry';
import type { Report } from '@vibeonrails/smoke/report';
import { installTools, pinnedPnpm } from '@vibeonrails/smoke/tools';
import { type Clone, cloneRepository } from './repository.ts';

const INFRA = '@vibeonrails/infra';
const CORE = '@vibeonrails/infra-core';
const CACHE = '@vibeonrails/infra-cache';
const QUEUE = '@vibeonrails/infra-queue';

interface Stage {
  readonly clone: Clone;
  readonly registry: Registry;
  /** The versions before the rehearsal, by folder name. */
  readonly first: ReadonlyMap<string, string>;
  /** An application that stays through all releases. */
  readonly application: string;
}

/** Rehearses every kind of release; each act builds on the one before, so the first failure ends it. */
export async function rehearse(report: Report): Promise<void> {
  let stage: Stage | undefined;
  const ready = await report.check(
    'a clone of the last commit, and an empty registry on 127.0.0.1',
    async () => {
      await installTools();
      const registry = await startRegistry();
      const clone = await cloneRepository(registry, pinnedPnpm);
      const application = await newConsumer('application', registry);
      const packages = publishedPackages(clone.folder);
      const first = new Map(packages.map(({ short, manifest }) => [short, manifest.version]));
      stage = { clone, registry, first, application };
      return await clone.git('log', '-1', '--format=%h %s');
    },
  );
  if (!ready || stage === undefined) return;
  const now = stage;
  for (const [name, act] of ACTS) if (!(await report.check(name, () => act(now)))) return;
  await now.registry.stop();
}

const ACTS: readonly (readonly [string, (stage: Stage) => Promise<string>])[] = [
  ['first release: every package is published and tagged', firstRelease],
  ['an application installs two packages', installs],
  ['a minor and a patch: versions, changelogs, tags', minorAndPatch],
  ['the application upgrades one module and nothing else', upgrades],
  ['a major of a module alone is refused, with what to do', refusesLoneMajor],
  ['with a major of the meta-package it is released', major],
  ['a snapshot is published under its own tag', snapshot],
];

async function latest({ registry }: Stage, name: string): Promise<string | undefined> {
  return (await registry.view(name))['dist-tags'].latest;
}

async function firstRelease(stage: Stage): Promise<string> {
  const { clone, first } = stage;
  await clone.commit('Rehearse');
  await clone.publish();
  for (const { short, name } of publishedPackages(clone.folder)) {
    const version = first.get(short);
    assert.equal(await latest(stage, name), version, `latest of ${name}`);
    assert.ok(await clone.git('tag', '--list', `${name}@${version}`), `a tag for ${name}`);
  }
  return `${first.size} packages`;
}

async function installedVersions(application: string): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const { manifest } of await installedIn(join(application, 'node_modules'))) {
    if (!manifest.name.startsWith('@vibeonrails/')) continue;
    found[manifest.name] = [...(found[manifest.name] ?? []), manifest.version];
  }
  return found;
}

const npmInstall = async (application: string, ...names: string[]): Promise<void> => {
  await run('npm', ['install', '--ignore-scripts', '--loglevel=error', ...names], { cwd: application });
};

async function installs({ application, first }: Stage): Promise<string> {
  await npmInstall(application, CACHE, QUEUE);
  const versions = await installedVersions(application);
  assert.deepEqual(versions[CACHE], [first.get('infra-cache')]);
  assert.deepEqual(versions[QUEUE], [first.get('infra-queue')]);
  return Object.keys(versions).join(', ');
}

const next = (version: string | undefined, part: 'major' | 'minor' | 'patch'): string => {
  const [a = 0, b = 0, c = 0] = (version ?? '').split('.').map(Number);
  return { major: `${a + 1}.0.0`, minor: `${a}.${b + 1}.0`, patch: `${a}.${b}.${c + 1}` }[part];
};

async function minorAndPatch(stage: Stage): Promise<string> {
  const { clone, first } = stage;
  await clone.change({ [CACHE]: 'minor' }, '`cache.peek(key)` reads without counting as a use.');
  await clone.change({ [QUEUE]: 'patch' }, 'A job with an empty payload is listed again.');
  await clone.script(['version']);
  const [cache, queue] = [next(first.get('infra-cache'), 'minor'), next(first.get('infra-queue'), 'patch')];
  assert.equal(clone.version('infra-cache'), cache);
  assert.equal(clone.version('infra-queue'), queue);
  for (const short of ['infra', 'infra-core', 'infra-email'])
    assert.equal(clone.version(short), first.get(short), `${short} is not released again`);
  const changelog = clone.read('packages/infra-cache/CHANGELOG.md');
  const entry = `## ${cache}\n\n### Minor Changes\n\n- \`cache.peek(key)\` reads without counting as a use.\n`;
  assert.ok(changelog.includes(entry), `the changelog has the sentence, without hashes:\n${changelog}`);
  await clone.commit('Release a minor and a patch');
  await clone.publish();
  assert.equal(await latest(stage, CACHE), cache);
  assert.equal(await latest(stage, QUEUE), queue);
  assert.equal(await latest(stage, INFRA), first.get('infra'));
  return `infra-cache ${cache}, infra-queue ${queue}`;
}

async function upgrades({ application, clone, first }: Stage): Promise<string> {
  await npmInstall(application, `${CACHE}@latest`);
  const versions = await installedVersions(application);
  assert.deepEqual(versions[CACHE], [clone.version('infra-cache')]);
  assert.deepEqual(versions[QUEUE], [first.get('infra-queue')], 'the queue stays');
  assert.deepEqual(versions[CORE], [first.get('infra-core')], 'one core, the same');
  const program = `import { cache } from '${CACHE}';
    import { defineJob } from '${QUEUE}';
    import { modulesInUse } from '${CORE}';
    await cache.set('key', 'value', '1m');
    if ((await cache.get('key')) !== 'value' || !defineJob) throw new Error('does not work');
    console.log(modulesInUse().map(({ module, version }) => module + ' ' + version).join(', '));`;
  await writeFile(join(application, 'main.mjs'), program);
  await npmInstall(application, `${CORE}@${first.get('infra-core')}`);
  return (await run(process.execPath, ['main.mjs'], { cwd: application })).stdout.trim();
}

async function refusesLoneMajor({ clone }: Stage): Promise<string> {
  await clone.change({ [QUEUE]: 'major' }, '`startWorker()` no longer takes `slots`; say `queues`.');
  const { code, output } = await clone.script(['version'], { mayFail: true });
  assert.notEqual(code, 0, 'the version script fails');
  const said = output.split('\n').find((line) => line.includes('re-exports it')) ?? '';
  assert.ok(said.startsWith(QUEUE) && output.includes(`choose ${INFRA}`), output);
  return said;
}

async function major(stage: Stage): Promise<string> {
  const { clone, registry, first } = stage;
  await clone.change(
    { [INFRA]: 'major' },
    '`startWorker()` of `/queue` no longer takes `slots`; say `queues`.',
  );
  await clone.script(['version']);
  const [queue, infra] = [next(first.get('infra-queue'), 'major'), next(first.get('infra'), 'major')];
  assert.equal(clone.version('infra-queue'), queue);
  assert.equal(clone.version('infra'), infra);
  assert.equal(clone.version('infra-core'), first.get('infra-core'));
  await clone.commit('Release a major');
  await clone.publish();
  const { versions } = await registry.view(INFRA);
  const { dependencies } = versions[infra] as { dependencies: Record<string, string> };
  assert.equal(dependencies[QUEUE], `^${queue}`, 'the range of the meta-package');
  return `infra-queue ${queue}, infra ${infra}, which needs ^${queue} of it`;
}

async function snapshot(stage: Stage): Promise<string> {
  const { clone, registry } = stage;
  const before = await latest(stage, CACHE);
  await clone.change({ [CACHE]: 'patch', [INFRA]: 'patch' }, 'Try this.');
  await clone.script(['version', '--snapshot', 'pr1']);
  const version = clone.version('infra-cache');
  assert.match(version, /^0\.0\.0-pr1-\d+$/);
  await clone.publish('--tag', 'pr1', '--no-git-tag');
  const tags = (await registry.view(CACHE))['dist-tags'];
  assert.deepEqual([tags.pr1, tags.latest], [version, before]);
  const application = await newConsumer('snapshot', registry);
  await npmInstall(application, `${INFRA}@pr1`);
  assert.deepEqual((await installedVersions(application))[CACHE], [version]);
  return `${INFRA}@pr1 brings infra-cache ${version}; latest is still ${before}`;
}
