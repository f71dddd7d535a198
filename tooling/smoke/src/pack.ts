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
  /** Text to replace in `dist`, whichever file it was joined into; it must be there. */
  readonly replace?: readonly { readonly from: string; readonly to: string }[];
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
  const dist = join(out, 'package', 'dist');
  // Core tells its version nowhere.
  await replaceIn(dist, `VERSION = "${manifest.version}"`, `VERSION = "${version}"`);
  for (const { from, to } of edits.replace ?? [])
    if (!(await replaceIn(dist, from, to)))
      throw new Error(`${manifest.name}: no file of dist holds ${from} any longer.`);
  await run('npm', ['pack', '--loglevel=error', '--pack-destination', out], { cwd: join(out, 'package') });
  const [packed] = (await readdir(out)).filter((name) => name.endsWith('.tgz'));
  return join(out, packed ?? '');
}

/** Replaces a text in every file of `dist` that has it; false when none has. */
async function replaceIn(dist: string, from: string, to: string): Promise<boolean> {
  let found = false;
  for (const name of (await readdir(dist)).filter((name) => name.endsWith('.js'))) {
    const text = await readFile(join(dist, name), 'utf8');
    if (!text.includes(from)) continue;
    found = true;
    await writeFile(join(dist, name), text.replaceAll(from, to));
  }
  return found;
}
