import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { brokenLinks } from '../src/links.ts';
import { publishedPackages, root } from '../src/packages.ts';

/** The Markdown files of the repository and llms.txt, those not committed yet included. */
const pages = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '*.md', 'llms.txt'],
  { cwd: root, encoding: 'utf8' },
)
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)));

const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

test('each link of each page leads somewhere', () => {
  expect(pages.length).toBeGreaterThan(20);
  expect(brokenLinks(root, pages)).toEqual([]);
});

test('each command of a page that runs a script of the root names one that is there', () => {
  const builtIn = new Set([
    'add',
    'install',
    'exec',
    'create',
    'dlx',
    'init',
    'ci',
    'approve-builds',
    'ls',
    'why',
  ]);
  const command = /(?:npx pnpm|npm run|npx --yes pnpm@[\d.]+)(?: run)? ([a-z][\w:-]*)/g;
  const missing = pages.flatMap((file) =>
    Array.from(read(file).matchAll(command), ([said, script = '']) => ({ file, said, script })).filter(
      ({ script }) => !builtIn.has(script) && !(script in scripts),
    ),
  );
  expect(missing).toEqual([]);
});

test('llms.txt and the root README name every package', () => {
  for (const { short } of publishedPackages())
    for (const file of ['llms.txt', 'README.md']) expect(read(file), file).toContain(`packages/${short}`);
});

test('every package ships a README, a SKILL.md and a changelog with its version', () => {
  for (const { folder, manifest, name } of publishedPackages()) {
    for (const file of ['README.md', 'SKILL.md']) expect(existsSync(join(folder, file)), file).toBe(true);
    expect(readFileSync(join(folder, 'CHANGELOG.md'), 'utf8'), name).toContain(`## ${manifest.version}`);
  }
});

test('every script of package.json has its line in AGENTS.md, and every folder of tooling', () => {
  const agents = read('AGENTS.md');
  const internal = new Set(['check:all', 'version']);
  for (const script of Object.keys(scripts))
    if (!internal.has(script))
      expect(agents).toMatch(new RegExp(`(npm run|npm|npx pnpm)( run)? ${script}\\b`));
  const folders = execFileSync('git', ['ls-files', 'tooling'], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .flatMap((file) => file.split('/')[1] ?? []);
  for (const folder of new Set(folders)) expect(agents).toContain(`\`${folder}\``);
});

test('how to report a vulnerability is said', () => {
  expect(read('SECURITY.md')).toMatch(/Report a vulnerability/);
});
