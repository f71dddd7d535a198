import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { runExamples } from '@vibeonrails/vitest-config/examples';
import { expect, test } from 'vitest';
import { temporaryFolders } from './temporary.ts';

const home = new URL('..', import.meta.url);
const newFolder = temporaryFolders();

runExamples(home, ['README.md', 'SKILL.md', 'examples/uploads.ts']);

test.each(['README.md', 'SKILL.md'])(
  'the first example of %s runs again over what it has left',
  async (file) => {
    const [, code = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(new URL(file, home), 'utf8')) ?? [];
    const flags = ['--import', 'tsx', '--conditions', '@vibeonrails/infra-source', '--input-type=module'];
    const env = { ...process.env, NODE_ENV: 'test', STORAGE_DIR: newFolder() };
    const run = () =>
      promisify(execFile)(process.execPath, [...flags, '--eval', code], { cwd: fileURLToPath(home), env });
    const first = await run();
    const second = await run();
    expect(second.stdout.split('\n').length).toBe(first.stdout.split('\n').length);
  },
  60_000,
);
