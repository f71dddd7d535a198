import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareServices } from '@vibeonrails/services/prepare';
import { describeSkips, SKIPS } from '@vibeonrails/services/skips';
import { HELP, parse } from './arguments.ts';
import { choose, type Tested, testedPackages } from './packages.ts';
import { MISSED, OUTPUT, REPORT, total } from './total.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** Most of the time goes into waiting for servers, so that two packages run at once even on two cores. */
const AT_ONCE = 2;

async function main(): Promise<number> {
  const { help, force, packages } = parse(process.argv.slice(2));
  if (help) {
    process.stdout.write(HELP);
    return 0;
  }
  const chosen = choose(testedPackages(root), packages);
  const services = await prepareServices();
  const started = Date.now();
  for (const { folder } of chosen) {
    rmSync(join(folder, OUTPUT), { recursive: true, force: true });
    mkdirSync(join(folder, OUTPUT));
  }
  const code = await turbo(chosen, force, services);
  return report(chosen, started) && code === 0 ? 0 : 1;
}

/** turbo knows what a package's tests depend on, and replays a run that passed on the same files and services. */
async function turbo(chosen: readonly Tested[], force: boolean, services: object): Promise<number> {
  const run = ['run', 'test', `--concurrency=${AT_ONCE}`, '--continue', '--output-logs=new-only'];
  const only = chosen.map(({ name }) => `--filter=${name}`);
  const vitest = [
    '--maxWorkers=1',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${OUTPUT}/${REPORT}`,
  ];
  const args = [...run, '--env-mode=loose', ...(force ? ['--force'] : []), ...only, '--', ...vitest];
  const env = {
    ...process.env,
    TURBO_TELEMETRY_DISABLED: '1',
    TURBO_NO_UPDATE_NOTIFIER: '1',
    // A result holds for what it was found on: part of the key under which turbo remembers it.
    INFRA_TEST_ON: JSON.stringify([
      process.version,
      process.platform,
      process.arch,
      process.env.CI,
      services,
    ]),
    [SKIPS]: `${OUTPUT}/${MISSED}`,
  };
  const child = spawn(join(root, 'tooling/check/node_modules/.bin/turbo'), args, {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

function report(chosen: readonly Tested[], started: number): boolean {
  const { passed, failed, skipped, failures, unchanged, missed } = total(chosen, started);
  const lines = failures.map((failure) => `FAILED ${failure}`);
  if (missed.length > 0) lines.push(describeSkips(missed).trimEnd());
  if (unchanged.length > 0)
    lines.push(
      `${unchanged.length} of ${chosen.length} packages passed before and have not changed since: ` +
        'counted, not run again. To run them: npm test -- --force',
    );
  const seconds = ((Date.now() - started) / 1_000).toFixed(0);
  lines.push(`${passed} passed, ${failed} failed, ${skipped} skipped`, `in ${seconds} s, ${process.version}`);
  process.stdout.write(`\n${lines.join('\n')}\n`);
  return failed === 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`npm test: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
