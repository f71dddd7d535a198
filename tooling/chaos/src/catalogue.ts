import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from '@vibeonrails/bench/terminal';
import type { ChaosCase } from './chaos.ts';

/** A case and the file that declares it. */
export interface Found {
  readonly file: string;
  readonly chaos: ChaosCase;
}

/** The modules that have a folder under `root`. */
export async function modulesIn(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
}

/** The cases of a module, by file. @throws UsageError for an unknown module. */
export async function casesOf(root: string, module: string): Promise<Found[]> {
  const known = await modulesIn(root);
  if (!known.includes(module))
    throw new UsageError(`There is no module "${module}". There are: ${known.join(', ')}.`);
  const found: Found[] = [];
  for (const name of (await readdir(join(root, module))).sort()) {
    if (!name.endsWith('.ts')) continue;
    const file = join(root, module, name);
    const exported = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
    for (const value of Object.values(exported)) if (isCase(value)) found.push({ file, chaos: value });
  }
  return found;
}

const isCase = (value: unknown): value is ChaosCase =>
  typeof value === 'object' && value !== null && 'case' in value && 'run' in value;
