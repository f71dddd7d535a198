// What the release workflow runs to make the next versions: no major without that of the meta-package, then
// `changeset version` with the options given, then each package's version in its source.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const cwd = here('../..');
const changeset = here('node_modules/@changesets/cli/bin.js');
try {
  execFileSync(process.execPath, [here('check-majors.mjs')], { cwd, stdio: 'inherit' });
  execFileSync(process.execPath, [changeset, 'version', ...process.argv.slice(2)], { cwd, stdio: 'inherit' });
  execFileSync(process.execPath, [here('sync-versions.mjs')], { cwd, stdio: 'inherit' });
} catch (error) {
  process.exitCode = error.status ?? 1;
}
