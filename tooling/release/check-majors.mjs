// Fails when a package gets a major version and the meta-package, which re-exports it, does not: changesets would give
// the meta-package a patch, and break its users in it. Reads the changesets alone.
//   node tooling/release/check-majors.mjs [repository]
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const META = '@vibeonrails/infra';
const root = process.argv[2] ?? fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, '.changeset');
const { dependencies } = JSON.parse(readFileSync(join(root, 'packages/infra/package.json'), 'utf8'));

/** The packages to which a changeset gives a major version. */
function majorsOf(file) {
  const [, header = ''] = readFileSync(join(folder, file), 'utf8').split(/^---$/m);
  return [...header.matchAll(/^\s*["']?(@?[^"':\s]+)["']?\s*:\s*major\s*$/gm)].map(([, name]) => name);
}

const files = readdirSync(folder).filter((file) => file.endsWith('.md') && file !== 'README.md');
const majors = new Set(files.flatMap(majorsOf));
const broken = [...majors].filter((name) => name in dependencies);
if (broken.length > 0 && !majors.has(META)) {
  console.error(
    `${broken.join(', ')} gets a major version, and ${META} re-exports it: what breaks there breaks its users too.
Give ${META} a major version as well: npx pnpm changeset, choose ${META}, major, and say what its users have to change.`,
  );
  process.exitCode = 1;
}
