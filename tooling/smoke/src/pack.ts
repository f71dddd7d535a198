import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newFolder, run } from './commands.ts';
import { type Manifest, type Package, root } from './packages.ts';
import { inPairs } from './report.ts';
import { pinnedPnpm } from './tools.ts';

/** A packed package: its folder's name and its file. */
export type Tarballs = ReadonlyMap<string, string>;

/** Builds every package of a copy of the repository. */
export async function build(repository: string = root): Promise<void> {
  await run('npx', ['--yes', pinnedPnpm, 'run', 'build'], {
    cwd: repository,
    env: { TURBO_TELEMETRY_DISABLED: '1' },
  });
}

/** Packs packages as they are published, into a fresh folder. Only pnpm applies `publishConfig` and `workspace:`. */
export async function packAll(packages: readonly Package[]): Promise<Tarballs> {
  const out = await newFolder('tarballs');
  const tarballs = new Map<string, string>();
  await inPairs(packages, async ({ short, folder }) => {
    const args = ['--yes', pinnedPnpm, 'pack', '--json', '--pack-destination', out];
    const { stdout } = await run('npx', args, { cwd: folder });
    tarballs.set(short, (JSON.parse(stdout) as { filename: string }).filename);
  });
  return tarballs;
}

/** What a variant of a packed package changes. */
export interface Edits {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  /** Text to replace in files of `dist`, which must be there. */
  readonly replace?: readonly { readonly file: string; readonly from: string; readonly to: string }[];
}

/** The file that exports a package's `VERSION`. */
async function versionFileIn(dist: string): Promise<string> {
  for (const file of await readdir(dist))
    if (file.endsWith('.js') && /export const VERSION\b/.test(await readFile(join(dist, file), 'utf8')))
      return file;
  throw new Error(`No file of ${dist} exports VERSION.`);
}

/** Repacks a package under another version, with other ranges or other code, as a later or earlier release of it. */
export async function variant(tarball: string, edits: Edits): Promise<string> {
  const out = await newFolder('variant');
  await mkdir(join(out, 'package'), { recursive: true });
  await run('tar', ['xzf', tarball, '-C', out], { cwd: out });
  const file = join(out, 'package', 'package.json');
  const manifest = JSON.parse(await readFile(file, 'utf8')) as Manifest;
  const { version, dependencies } = edits;
  const next = { ...manifest, version, dependencies: { ...manifest.dependencies, ...dependencies } };
  await writeFile(file, JSON.stringify(next, null, 2));
  const versionFile = {
    file: await versionFileIn(join(out, 'package', 'dist')),
    from: manifest.version,
    to: version,
  };
  for (const edit of [versionFile, ...(edits.replace ?? [])]) {
    const path = join(out, 'package', 'dist', edit.file);
    const text = await readFile(path, 'utf8');
    if (!text.includes(edit.from))
      throw new Error(`${manifest.name}: dist/${edit.file} no longer holds "${edit.from}".`);
    await writeFile(path, text.replaceAll(edit.from, edit.to));
  }
  await run('npm', ['pack', '--loglevel=error', '--pack-destination', out], { cwd: join(out, 'package') });
  const [packed] = (await readdir(out)).filter((name) => name.endsWith('.tgz'));
  return join(out, packed ?? '');
}
