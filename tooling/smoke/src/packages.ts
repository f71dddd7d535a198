import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The parts of a manifest that matter to those who install it. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, unknown>> };
}

/** A package of this repository that is published. */
export interface Package {
  readonly manifest: Manifest;
  readonly name: string;
  /** Its folder's name, such as `infra-cache`. */
  readonly short: string;
  readonly folder: string;
  readonly readme: string;
  /** What can be imported, such as `@vibeonrails/infra-cache/testing`. */
  readonly entries: readonly string[];
}

/** The repository. */
export const root: string = fileURLToPath(new URL('../../..', import.meta.url));

/** The scope that comes from the loopback registry. */
export const SCOPE = '@vibeonrails';

/** A manifest on disk. */
export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** The published packages of a copy of the repository, the meta-package first. */
export function publishedPackages(repository: string = root): Package[] {
  const home = join(repository, 'packages');
  return readdirSync(home)
    .sort()
    .map((short) => {
      const folder = join(home, short);
      const manifest = readManifest(folder);
      const entries = Object.keys(manifest.publishConfig?.exports ?? {})
        .filter((path) => path !== './package.json')
        .map((path) => manifest.name + path.slice(1));
      const readme = readFileSync(join(folder, 'README.md'), 'utf8');
      return { manifest, name: manifest.name, short, folder, readme, entries };
    });
}

/** What installing a manifest must bring, by name: what it declares, and what that declares in turn. */
export function declaredBy(manifest: Manifest, find: (name: string) => Manifest | undefined): Set<string> {
  const names = new Set<string>([manifest.name]);
  const queue: (Manifest | undefined)[] = [manifest];
  for (let next = queue.shift(); next !== undefined || queue.length > 0; next = queue.shift()) {
    for (const name of next ? dependenciesOf(next) : []) {
      if (names.has(name)) continue;
      names.add(name);
      queue.push(find(name));
    }
  }
  return names;
}

function dependenciesOf(manifest: Manifest): string[] {
  const {
    dependencies = {},
    optionalDependencies = {},
    peerDependencies = {},
    peerDependenciesMeta = {},
  } = manifest;
  const peers = Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional);
  return [...Object.keys(dependencies), ...Object.keys(optionalDependencies), ...peers];
}
