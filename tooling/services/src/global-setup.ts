import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONSENT, thisMachine } from './machine.ts';
import { needs } from './needs.ts';
import { fromPath } from './resolve.ts';
import { describeSkips, readSkips, SKIPS } from './skips.ts';

/**
 * For `globalSetup` of a vitest configuration. At a terminal where installing is possible, asks once for what is
 * missing, because test workers have no keyboard. At the end of the run, names what was skipped for want of a server.
 */
export async function setup(): Promise<(() => void) | undefined> {
  if (process.env[SKIPS] !== undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'infra-skips-'));
  const file = join(folder, 'skips.jsonl');
  writeFileSync(file, '');
  process.env[SKIPS] = file;
  await askOnce();
  return () => {
    const skips = readSkips(file);
    rmSync(folder, { recursive: true, force: true });
    delete process.env[SKIPS];
    if (skips.length > 0) process.stderr.write(`\n${describeSkips(skips)}`);
  };
}

/** At a terminal where installing is possible, asks once for everything that is missing. */
export async function askOnce(): Promise<void> {
  const { env } = thisMachine;
  if (env[CONSENT] !== undefined || !thisMachine.hasTerminal() || !thisMachine.mayInstall()) return;
  const missing = Object.values(needs).filter(
    (need) => !need.variables.some((name) => env[name]) && fromPath(need, thisMachine) === undefined,
  );
  if (missing.length === 0) return;
  const packages = [...new Set(missing.flatMap((need) => need.packages))].join(' ');
  const yes = await thisMachine.confirm(`services: some tests need ${packages}. Install with apt-get?`);
  process.env[CONSENT] = yes ? 'yes' : 'no';
}
