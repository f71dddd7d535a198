import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = fileURLToPath(new URL('../peers/', import.meta.url));
const root = new URL('../../../package.json', import.meta.url);
const requireFromPeers = createRequire(`${folder}package.json`);

/** Loads a package from `peers/`, for a candidate. Its types are the caller's to say. */
export function peer<T>(specifier: string): Promise<T> {
  return import(pathToFileURL(requireFromPeers.resolve(specifier)).href) as Promise<T>;
}

interface Manifest {
  readonly version?: string;
  readonly packageManager?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const read = (path: string | URL): Manifest => JSON.parse(readFileSync(path, 'utf8')) as Manifest;

/** The versions of these packages, as pinned. */
export function pinnedVersions(packages: Iterable<string>): Record<string, string> {
  const { dependencies = {} } = read(`${folder}package.json`);
  return Object.fromEntries(
    [...packages].sort().map((name) => {
      const version = dependencies[name];
      if (!version) throw new Error(`${name} is not in tooling/bench/peers/package.json: add it there.`);
      return [name, version];
    }),
  );
}

function isInstalled([name, version]: [string, string]): boolean {
  try {
    return read(`${folder}node_modules/${name}/package.json`).version === version;
  } catch {
    return false;
  }
}

/** Installs what `peers/` pins, unless the packages asked for are there. Their own scripts do not run. */
export async function installPeers(packages: Iterable<string>, say: (line: string) => void): Promise<void> {
  const missing = Object.entries(pinnedVersions(packages)).filter((entry) => !isInstalled(entry));
  if (missing.length === 0) return;
  say(`installing peers (${missing.map(([name, version]) => `${name} ${version}`).join(', ')})`);
  const pnpm = read(root).packageManager ?? 'pnpm';
  const args = ['--yes', pnpm, 'install', '--ignore-workspace', '--frozen-lockfile', '--ignore-scripts'];
  // Its output goes to standard error: standard output belongs to the report.
  const child = spawn('npx', args, {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`Installing the peers in ${folder} ended with ${code}.`);
}
