import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Benchmark } from './benchmark.ts';
import { UsageError } from './terminal.ts';

/** A benchmark and the file that declares it. */
export interface Found {
  readonly file: string;
  readonly benchmark: Benchmark;
}

/** The modules that have a folder under `root`. */
export async function modulesIn(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
}

/** The benchmarks of a module, by file and then in the order of their export. @throws UsageError for an unknown module. */
export async function benchmarksOf(root: string, module: string): Promise<Found[]> {
  const known = await modulesIn(root);
  if (!known.includes(module)) {
    throw new UsageError(`There is no module "${module}". There are: ${known.join(', ')}.`);
  }
  const files = (await readdir(join(root, module))).filter((name) => name.endsWith('.ts')).sort();
  const found: Found[] = [];
  for (const name of files) {
    const file = join(root, module, name);
    const exported = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
    for (const value of Object.values(exported))
      if (isBenchmark(value)) found.push({ file, benchmark: value });
  }
  const names = found.map(({ benchmark }) => benchmark.case);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice) throw new Error(`Two benchmarks of ${module} are called "${twice}".`);
  return found;
}

const isBenchmark = (value: unknown): value is Benchmark =>
  typeof value === 'object' && value !== null && 'case' in value && 'ours' in value && 'peers' in value;
