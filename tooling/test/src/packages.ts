import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** A package with tests. */
export interface Tested {
  readonly name: string;
  readonly folder: string;
}

/** Every package of the repository that has a `test` script. */
export function testedPackages(root: string): Tested[] {
  return ['packages', 'tooling'].flatMap((parent) =>
    readdirSync(join(root, parent)).flatMap((entry) => {
      const folder = join(root, parent, entry);
      const file = join(folder, 'package.json');
      if (!existsSync(file)) return [];
      const { name, scripts } = JSON.parse(readFileSync(file, 'utf8')) as {
        name: string;
        scripts?: { test?: string };
      };
      return scripts?.test === undefined ? [] : [{ name, folder }];
    }),
  );
}

/**
 * Those that were asked for, by name with or without its scope, or by folder.
 *
 * @throws Error naming what is not there and what is.
 */
export function choose(all: readonly Tested[], asked: readonly string[]): readonly Tested[] {
  if (asked.length === 0) return all;
  return asked.map((typed) => {
    const wanted = basename(typed);
    const found = all.find(({ folder, name }) => basename(folder) === wanted || basename(name) === wanted);
    if (found !== undefined) return found;
    const names = all.map(({ folder }) => basename(folder)).join(', ');
    throw new Error(`No package "${typed}" with tests. There are ${names}.`);
  });
}
