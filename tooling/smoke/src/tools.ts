import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './commands.ts';
import { root } from './packages.ts';

const folder = fileURLToPath(new URL('../tools/', import.meta.url));

/** The repository's package manager, such as `pnpm@12.21.0`. */
export const pinnedPnpm: string = (
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { packageManager: string }
).packageManager;

/** Installs what `tools/` pins, unless it is there: a registry and two compilers, whose own scripts do not run. */
export async function installTools(): Promise<string> {
  const pinned = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const wanted = Object.entries(pinned.dependencies);
  const isThere = ([name, version]: [string, string]): boolean => {
    const file = join(folder, 'node_modules', name, 'package.json');
    return existsSync(file) && version.endsWith((JSON.parse(readFileSync(file, 'utf8')) as Version).version);
  };
  if (wanted.every(isThere)) return 'there already';
  const options = ['--frozen-lockfile', '--ignore-scripts', '--config.minimum-release-age=0'];
  await run('npx', ['--yes', pinnedPnpm, 'install', ...options], { cwd: folder });
  return wanted.map(([name, version]) => `${name} ${version.split('@').pop()}`).join(', ');
}

interface Version {
  readonly version: string;
}

/** A file of an installed tool, such as `verdaccio`, `bin/verdaccio`. */
export function toolFile(name: string, path: string): string {
  return join(dirname(createRequire(join(folder, 'package.json')).resolve(`${name}/package.json`)), path);
}

/** The program of another major of Node.js, which npm ships; this one where it is of that major. */
export async function nodeBinary(major: string, cwd: string): Promise<string> {
  if (process.versions.node.split('.')[0] === major) return process.execPath;
  const args = ['--yes', '--package', `node@${major}`, 'node', '-p', 'process.execPath'];
  const { stdout } = await run('npx', args, { cwd });
  return stdout.trim();
}

/** The folder with the `pnpm` of a version, for PATH. */
export async function pnpmFolder(version: string, cwd: string): Promise<string> {
  const args = ['--yes', '--package', `pnpm@${version}`, '-c', 'command -v pnpm'];
  const { stdout } = await run('npx', args, { cwd });
  return dirname(stdout.trim());
}
