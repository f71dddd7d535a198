import { type Dirent, existsSync } from 'node:fs';
import { lstat, readdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { newFolder, type Outcome, run } from './commands.ts';
import { type Manifest, readManifest } from './packages.ts';
import { forNpm } from './readme.ts';
import type { Registry } from './registry.ts';
import { pnpmFolder } from './tools.ts';

/** A package manager, as users have it. */
export interface Manager {
  /** Such as `pnpm 12`. */
  readonly name: string;
  /** Runs a printed command in a folder. */
  run(line: string, cwd: string): Promise<Outcome>;
}

/** The newest pnpm that most people have, and the one this repository uses. */
const PNPMS = ['10.34.9', '12.21.0'];

/** What makes pnpm strict: only what a package declares can be found from it. New releases wait for nobody here. */
const STRICT = {
  npm_config_hoist: 'false',
  npm_config_public_hoist_pattern: '[]',
  pnpm_config_hoist: 'false',
  pnpm_config_minimum_release_age: '0',
};

/** npm, pnpm 10 and pnpm 12. */
export async function packageManagers(): Promise<Manager[]> {
  const cwd = await newFolder('managers');
  const npm: Manager = { name: 'npm', run: async (line, folder) => await shell(forNpm(line), folder) };
  const pnpms = PNPMS.map(async (version): Promise<Manager> => {
    const bin = await pnpmFolder(version, cwd);
    const env = { ...STRICT, PATH: bin + delimiter + process.env.PATH };
    return {
      name: `pnpm ${version.split('.')[0]}`,
      run: async (line, folder) => await shell(line, folder, env),
    };
  });
  return [npm, ...(await Promise.all(pnpms))];
}

const shell = async (line: string, cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Outcome> =>
  await run('sh', ['-e', '-c', line], { cwd, env });

/** A fresh application that installs our scope from the registry. */
export async function newConsumer(name: string, registry: Registry): Promise<string> {
  const folder = await newFolder(name);
  await writeFile(join(folder, 'package.json'), '{ "name": "app", "private": true, "type": "module" }\n');
  await writeFile(join(folder, '.npmrc'), registry.npmrc);
  return folder;
}

/** An installed package. */
export interface Installed {
  readonly manifest: Manifest;
  readonly folder: string;
}

/** Every package in a node_modules folder, however deep, in the layouts of npm and pnpm. */
export async function installedIn(modules: string): Promise<Installed[]> {
  if (!existsSync(modules)) return [];
  const found: Installed[] = [];
  for (const { name, folder } of await packageFolders(modules)) {
    if (existsSync(join(folder, 'package.json'))) found.push({ manifest: readManifest(folder), folder });
    else if (name.startsWith('@')) throw new Error(`${folder} has no package.json.`);
    found.push(...(await installedIn(join(folder, 'node_modules'))));
  }
  for (const entry of await entriesOf(join(modules, '.pnpm')))
    found.push(...(await installedIn(join(modules, '.pnpm', entry.name, 'node_modules'))));
  return found;
}

/** The names right under node_modules, links included: what the application itself may import. */
export async function reachableFrom(folder: string): Promise<string[]> {
  const modules = join(folder, 'node_modules');
  return (await packageFolders(modules, true)).map(({ name }) => name).sort();
}

async function packageFolders(modules: string, links = false): Promise<{ name: string; folder: string }[]> {
  const found: { name: string; folder: string }[] = [];
  const isOne = (entry: Dirent): boolean => entry.isDirectory() || (links && entry.isSymbolicLink());
  for (const entry of (await entriesOf(modules)).filter(isOne)) {
    if (entry.name.startsWith('.')) continue;
    const folder = join(modules, entry.name);
    if (!entry.name.startsWith('@')) found.push({ name: entry.name, folder });
    else
      for (const inner of (await entriesOf(folder)).filter(isOne))
        found.push({ name: `${entry.name}/${inner.name}`, folder: join(folder, inner.name) });
  }
  return found;
}

const entriesOf = async (folder: string): Promise<Dirent[]> =>
  existsSync(folder) ? await readdir(folder, { withFileTypes: true }) : [];

/** Bytes of all files under a folder. */
export async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name);
    bytes += entry.isDirectory() ? await bytesIn(path) : (await lstat(path)).size;
  }
  return bytes;
}
