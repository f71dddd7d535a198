import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SKIPS } from '../src/skips.ts';
import { start } from './child.ts';

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const sample = fileURLToPath(new URL('../fixtures/missing', import.meta.url));
let path: string;

/** A PATH with nothing on it that could run or install a server. */
beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), 'infra-path-'));
  await symlink(process.execPath, join(path, 'node'));
});
afterAll(async () => {
  await rm(path, { recursive: true, force: true });
});

async function runSample(env: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }> {
  const { [SKIPS]: _, CI: __, ...inherited } = process.env;
  const args = [vitest, 'run', '--root', sample];
  return await start(args, { ...inherited, PATH: path, NO_COLOR: '1', ...env }).ended;
}

test('a suite without its server is skipped, and named once more at the end with what to install', async () => {
  const { code, output } = await runSample({});
  expect(output).toMatch(/Tests {2}1 passed \| 2 skipped \(3\)/);
  const end = output.slice(output.indexOf('Duration'));
  expect(end).toContain('skipped 2 suites: s3: no radosgw,');
  expect(end).toContain('apt-get install radosgw ceph-mon ceph-osd ceph-common');
  expect(code).toBe(0);
});

test('with CI set it is a failure', async () => {
  const { code, output } = await runSample({ CI: 'true' });
  expect(output).toContain('MissingServiceError: s3: no radosgw');
  expect(code).toBe(1);
});
