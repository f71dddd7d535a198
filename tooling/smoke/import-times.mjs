// Prints what importing each package's root costs more than importing core's root: milliseconds by the clock and of
// processor time, the median of 21 pairs of fresh processes. Needs a build: `npx pnpm build`.
//   node tooling/smoke/import-times.mjs [module ...]
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROUNDS = 21;
const MODULES = ['redis', 'health', 'queue', 'email', 'cache', 'storage', 'realtime', 'monitoring'];
const asked = process.argv.slice(2);
const modules = asked.length > 0 ? asked : MODULES;

// An application that has all of them, so that each is imported by its name.
const cwd = mkdtempSync(join(tmpdir(), 'infra-import-'));
const scope = join(cwd, 'node_modules', '@vibeonrails');
mkdirSync(scope, { recursive: true });
for (const module of ['core', ...modules]) {
  const folder = fileURLToPath(new URL(`../../packages/infra-${module}`, import.meta.url));
  symlinkSync(folder, join(scope, `infra-${module}`));
}
process.on('exit', () => rmSync(cwd, { recursive: true }));

// From a file, as an application does: what `--eval` adds of its own is as much as a module costs.
const program = join(cwd, 'import.mjs');
writeFileSync(
  program,
  `const cpu = process.cpuUsage();
  const started = performance.now();
  await import(process.argv[2]);
  const clock = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  console.log(clock + ' ' + (user + system) / 1000);`,
);

function importCost(module) {
  const args = [program, `@vibeonrails/infra-${module}`];
  const printed = execFileSync(process.execPath, args, { cwd, encoding: 'utf8' });
  return printed.split(' ').map(Number);
}

// Each module beside core in the same moment: the difference of the two is what it costs.
const rounds = Array.from({ length: ROUNDS }, () =>
  modules.map((module) => ({ core: importCost('core'), module: importCost(module) })),
);

function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const [median, low, high] = [sorted[ROUNDS >> 1], sorted[0], sorted[ROUNDS - 1]].map((ms) => ms.toFixed(1));
  return `${median.padStart(5)} (${low} to ${high})`.padEnd(22);
}

console.log(`Importing a package's root beyond infra-core's, ms, Node.js ${process.version}`);
console.log(`  ${''.padEnd(17)} ${'by the clock'.padEnd(22)} processor time`);
for (const [i, module] of modules.entries()) {
  const beyond = (kind) => rounds.map((round) => round[i].module[kind] - round[i].core[kind]);
  console.log(`  infra-${module.padEnd(11)} ${spread(beyond(0))} ${spread(beyond(1))}`);
}
