// Checks the package in the working folder as it would be published: packed by pnpm, which applies publishConfig,
// then publint and "are the types wrong" over the tarball, and that no source condition is left in its manifest.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const out = mkdtempSync(join(tmpdir(), 'infra-pack-'));
const run = (command, args) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

try {
  const { filename } = JSON.parse(run('pnpm', ['pack', '--json', '--pack-destination', out]));
  run('tar', ['xzf', filename, '-C', out]);
  const folder = join(out, 'package');
  const manifest = run(process.execPath, [
    '-p',
    `JSON.stringify(require(${JSON.stringify(join(folder, 'package.json'))}))`,
  ]);
  if (manifest.includes('infra-source'))
    throw new Error('The published manifest still names the source condition.');
  if (manifest.includes('workspace:'))
    throw new Error('The published manifest still holds a workspace: range.');

  const { messages } = await publint({ pkgDir: folder, strict: true });
  for (const message of messages) console.error(formatMessage(message, JSON.parse(manifest)));
  if (messages.length > 0) throw new Error(`publint found ${messages.length} problems.`);

  const attw = createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json');
  run(process.execPath, [
    join(dirname(attw), 'dist/index.js'),
    filename,
    '--profile',
    'esm-only',
    '--format',
    'ascii',
  ]);
  console.log(`${JSON.parse(manifest).name}: packed, publint and types are right`);
} finally {
  rmSync(out, { recursive: true, force: true });
}
