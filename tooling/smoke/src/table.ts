import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removeFolder, run } from './commands.ts';
import { bytesIn, installedIn, newConsumer, packageManagers } from './consumer.ts';
import { type Package, root } from './packages.ts';
import type { Registry } from './registry.ts';
import { inPairs, type Report } from './report.ts';

/** What a package costs the application that installs it. */
export interface Cost {
  readonly short: string;
  readonly bytes: number;
  /** Packages installed, itself included. */
  readonly packages: number;
  /** Milliseconds of the import beyond infra-core's root, each time it was measured. */
  readonly imports: readonly number[];
}

const ROUNDS = 11;
const OPEN = '<!-- sizes -->';
const CLOSE = '<!-- /sizes -->';

/** Measures every package, prints the table and, if asked, puts it into the README at the root. */
export async function proveTable(
  packages: readonly Package[],
  registry: Registry,
  report: Report,
  write: boolean,
): Promise<void> {
  const file = join(root, 'README.md');
  await report.check('table: size, packages and import time of each package', async () => {
    const table = sizeTable(await measure(packages, registry));
    report.say(`\n${table}\n`);
    if (!write) return 'npx pnpm smoke table --write puts it into README.md';
    await writeFile(file, withTable(await readFile(file, 'utf8'), table));
    return 'written to README.md';
  });
  const name = "table: README.md's names every package";
  if (!(await readFile(file, 'utf8')).includes(OPEN)) {
    report.skip(name, `README.md has no table yet: a line ${OPEN}, a line ${CLOSE}, and the option --write`);
    return;
  }
  await report.check(name, async () => {
    const missing = missingFrom(await readFile(file, 'utf8'), packages);
    if (missing.length > 0)
      throw new Error(`It lacks ${missing.join(', ')}. Run: npx pnpm smoke table --write`);
    return undefined;
  });
}

async function measure(packages: readonly Package[], registry: Registry): Promise<Cost[]> {
  const pnpm = (await packageManagers()).at(-1);
  const applications = new Map<string, string>();
  const sizes = new Map<string, Pick<Cost, 'bytes' | 'packages'>>();
  await inPairs(packages, async ({ name, short }) => {
    const application = await newConsumer('table', registry);
    // What a build script compiles on one machine and not on the next is left out.
    await pnpm?.run(`pnpm add ${name} --ignore-scripts`, application);
    const installed = await installedIn(join(application, 'node_modules'));
    const bytes = await Promise.all(installed.map(({ folder }) => bytesIn(folder)));
    sizes.set(short, { bytes: bytes.reduce((sum, size) => sum + size, 0), packages: installed.length });
    applications.set(short, application);
  });
  const imports = await importTimes(packages, applications);
  for (const application of applications.values()) await removeFolder(application);
  return packages.map(({ short }) => ({
    short,
    imports: imports.get(short) ?? [],
    ...(sizes.get(short) ?? { bytes: 0, packages: 0 }),
  }));
}

/** One fresh process after the other, the packages in turn, so that a busy moment does not meet one of them alone. */
async function importTimes(
  packages: readonly Package[],
  applications: ReadonlyMap<string, string>,
): Promise<Map<string, number[]>> {
  const program = fileURLToPath(new URL('../programs/import-cost.mjs', import.meta.url));
  const times = new Map<string, number[]>(packages.map(({ short }) => [short, []]));
  for (let round = 0; round < ROUNDS; round += 1)
    for (const { name, short } of packages) {
      const cwd = applications.get(short) ?? '';
      const file = join(cwd, 'import-cost.mjs');
      if (round === 0) await cp(program, file);
      const { stdout } = await run(process.execPath, [file, name], { cwd });
      times.get(short)?.push(Number(stdout));
    }
  return times;
}

/** The costs as a Markdown table with a line on how they were measured. */
export function sizeTable(costs: readonly Cost[], node: string = process.version): string {
  const rows = costs.map(({ short, bytes, packages, imports }) => {
    // The least is what the import takes; all above it is what else the machine was doing.
    const least = Math.min(...imports);
    const megabytes = (bytes / 1e6).toFixed(1);
    return `| [${short}](packages/${short}) | ${megabytes} MB | ${packages} | ${least.toFixed(1)} ms |`;
  });
  const heading = ['| package | installed | packages | import |', '|---|---:|---:|---:|'];
  const how = `Installed: all files of the package and its dependencies. Import: of its root, beyond infra-core's (whose row is all of its own); the least of ${ROUNDS} fresh processes, Node.js ${node}. \`npx pnpm smoke table\` measures it.`;
  return [...heading, ...rows, '', how].join('\n');
}

/** The README with the table between its two comments. @throws an Error that names the comments when they are not there. */
export function withTable(readme: string, table: string): string {
  const [from, to] = [readme.indexOf(OPEN), readme.indexOf(CLOSE)];
  if (from < 0 || to < from)
    throw new Error(`README.md has no place for the table: a line ${OPEN} and, after it, a line ${CLOSE}.`);
  return `${readme.slice(0, from + OPEN.length)}\n${table}\n${readme.slice(to)}`;
}

/** The packages that have no row between the README's two comments. */
export function missingFrom(readme: string, packages: readonly Pick<Package, 'short'>[]): string[] {
  const [, region = ''] = readme.split(OPEN);
  const table = region.split(CLOSE)[0] ?? '';
  return packages.map(({ short }) => short).filter((short) => !table.includes(`[${short}](`));
}
