import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const program = fileURLToPath(new URL('../check-majors.mjs', import.meta.url));
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A repository with these changesets: what the check says of it. */
function check(...changesets: string[]): { code: number | null; said: string } {
  const folder = mkdtempSync(join(tmpdir(), 'infra majors '));
  folders.push(folder);
  mkdirSync(join(folder, '.changeset'));
  mkdirSync(join(folder, 'packages/infra'), { recursive: true });
  const dependencies = { '@vibeonrails/infra-queue': 'workspace:^' };
  writeFileSync(join(folder, 'packages/infra/package.json'), JSON.stringify({ dependencies }));
  for (const [index, header] of changesets.entries())
    writeFileSync(join(folder, '.changeset', `${index}.md`), `---\n${header}\n---\n\nA major: change.\n`);
  const { status, stderr } = spawnSync(process.execPath, [program, folder], { encoding: 'utf8' });
  return { code: status, said: stderr };
}

test('a major of a module without one of the meta-package fails, and says what to do', () => {
  const { code, said } = check('"@vibeonrails/infra-queue": major');
  expect(code).toBe(1);
  expect(said).toContain('@vibeonrails/infra-queue gets a major version');
  expect(said).toContain('npx pnpm changeset, choose @vibeonrails/infra, major');
});

test('with one of the meta-package it passes, in the same changeset or another, quoted either way', () => {
  expect(check(`'@vibeonrails/infra-queue': major\n'@vibeonrails/infra': major`)).toEqual({
    code: 0,
    said: '',
  });
  expect(check('"@vibeonrails/infra-queue": major', '"@vibeonrails/infra": major').code).toBe(0);
});

test('a minor of the meta-package does not do', () => {
  expect(check('"@vibeonrails/infra-queue": major', '"@vibeonrails/infra": minor').code).toBe(1);
});

test('minors, patches and no changesets at all pass', () => {
  expect(check().code).toBe(0);
  expect(check('"@vibeonrails/infra-queue": minor').code).toBe(0);
  expect(check('"@vibeonrails/infra": major').code).toBe(0);
});
