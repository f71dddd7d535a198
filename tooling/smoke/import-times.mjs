// Prints what importing each package's root costs beyond core's root: milliseconds of processor time, the median of
// eleven fresh processes each, interleaved. Needs a build: `npx pnpm build`.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROUNDS = 11;
const modules = ['redis', 'health', 'queue', 'email', 'cache', 'storage', 'realtime', 'monitoring'];
const cwd = fileURLToPath(new URL('../../packages/infra/', import.meta.url));

function importCost(module) {
  // By folder, so that it makes no difference whose dependency a package is.
  const root = new URL(`../../packages/infra-${module}/dist/index.js`, import.meta.url).href;
  const core = new URL('../../packages/infra-core/dist/index.js', import.meta.url).href;
  const code = `await import(${JSON.stringify(core)});
    const before = process.cpuUsage();
    await import(${JSON.stringify(root)});
    const { user, system } = process.cpuUsage(before);
    console.log((user + system) / 1000);`;
  return Number(
    execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd, encoding: 'utf8' }),
  );
}

const costs = new Map(modules.map((module) => [module, []]));
for (let round = 0; round < ROUNDS; round += 1)
  for (const [module, list] of costs) list.push(importCost(module));
console.log(
  `Node.js ${process.version}: importing a package's root beyond infra-core's, ms of processor time`,
);
for (const [module, list] of costs) {
  const sorted = list.sort((a, b) => a - b);
  const [median, low, high] = [sorted[ROUNDS >> 1], sorted[0], sorted[ROUNDS - 1]].map((ms) => ms.toFixed(1));
  console.log(`  infra-${module.padEnd(11)} ${median.padStart(5)}  (${low} to ${high})`);
}
