// Writes each package's version into the file of its src that exports it; runs after `changeset version`.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const packages = new URL('../../packages/', import.meta.url);
for (const name of readdirSync(packages)) {
  const src = new URL(`${name}/src/`, packages);
  if (!existsSync(src)) continue;
  const { version } = JSON.parse(readFileSync(new URL(`${name}/package.json`, packages), 'utf8'));
  for (const base of readdirSync(src).filter((entry) => entry.endsWith('.ts'))) {
    const file = new URL(base, src);
    const text = readFileSync(file, 'utf8');
    const next = text.replace(/^export const VERSION = '[^']*'/m, `export const VERSION = '${version}'`);
    if (next === text) continue;
    writeFileSync(file, next);
    console.log(`${fileURLToPath(file)}: ${version}`);
  }
}
