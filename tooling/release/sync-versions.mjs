// Writes each package's version into its src/version.ts or src/module.ts; runs after `changeset version`.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const packages = new URL('../../packages/', import.meta.url);
for (const name of readdirSync(packages)) {
  const file = ['version.ts', 'module.ts']
    .map((base) => new URL(`${name}/src/${base}`, packages))
    .find((candidate) => existsSync(candidate));
  if (!file) continue;
  const { version } = JSON.parse(readFileSync(new URL(`${name}/package.json`, packages), 'utf8'));
  const text = readFileSync(file, 'utf8');
  const next = text.replace(/VERSION = '[^']*'/, `VERSION = '${version}'`);
  if (next === text) continue;
  writeFileSync(file, next);
  console.log(`${fileURLToPath(file)}: ${version}`);
}
