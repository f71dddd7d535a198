// Prints what importing each package's root costs beyond core's root: milliseconds by the clock and of processor time,
// the median of eleven fresh processes each, interleaved. Needs a build: `npx pnpm build`.
//   node tooling/smoke/import-times.mjs [module ...]
import { execFileSync } from 'node:child_process';

const ROUNDS = 11;
const MODULES = ['redis', 'health', 'queue', 'email', 'cache', 'storage', 'realtime', 'monitoring'];
const asked = process.argv.slice(2);
const modules = asked.length > 0 ? asked : MODULES;

// By folder, so that it makes no difference whose dependency a package is.
const entry = (module) => new URL(`../../packages/infra-${module}/dist/index.js`, import.meta.url).href;

function importCost(module) {
  const code = `await import(${JSON.stringify(entry('core'))});
    const cpu = process.cpuUsage();
    const started = performance.now();
    await import(${JSON.stringify(entry(module))});
    const clock = performance.now() - started;
    const { user, system } = process.cpuUsage(cpu);
    console.log(clock + ' ' + (user + system) / 1000);`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', code], {
    encoding: 'utf8',
  });
  return printed.split(' ').map(Number);
}

const costs = new Map(modules.map((module) => [module, []]));
for (let round = 0; round < ROUNDS; round += 1)
  for (const [module, list] of costs) list.push(importCost(module));

function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const [median, low, high] = [sorted[ROUNDS >> 1], sorted[0], sorted[ROUNDS - 1]].map((ms) => ms.toFixed(1));
  return `${median.padStart(5)} (${low} to ${high})`.padEnd(22);
}

console.log(`Importing a package's root beyond infra-core's, ms, Node.js ${process.version}`);
console.log(`  ${''.padEnd(17)} ${'by the clock'.padEnd(22)} processor time`);
for (const [module, list] of costs)
  console.log(
    `  infra-${module.padEnd(11)} ${spread(list.map(([clock]) => clock))} ${spread(list.map(([, cpu]) => cpu))}`,
  );
