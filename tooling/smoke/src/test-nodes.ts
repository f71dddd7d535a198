import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUpAtExit, environment, newFolder } from './commands.ts';
import { root } from './packages.ts';
import { nodeBinary } from './tools.ts';

const DEFAULT = ['22', '24'];
const usage = `Usage: npx pnpm test:nodes [major ...] [-- vitest arguments]

Runs every test on other versions of Node.js, which npm ships, one after the other. Default: ${DEFAULT.join(' ')}.
Known to be skipped: tests on uWebSockets.js where its binary does not support the version; each says so in its title.`;

const args = process.argv.slice(2);
const majors = args.filter((arg) => /^\d+$/.test(arg));
const rest = args.filter((arg) => !/^\d+$/.test(arg) && arg !== '--');

/** Runs vitest on one version and returns its exit code; the titles of skipped tests say why. */
async function testOn(major: string): Promise<number> {
  const binary = await nodeBinary(major, await newFolder('node'));
  console.log(`\nEvery test on Node.js ${major}`);
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const json = join(await newFolder('tests'), 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${json}`];
  const child = spawn(binary, [vitest, 'run', ...reporters, ...rest], {
    cwd: root,
    env: environment(),
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  for (const title of skippedIn(json)) console.log(`skipped on Node.js ${major}: ${title}`);
  console.log(`Node.js ${major}: ${code === 0 ? 'passed' : `failed with ${signal ?? code}`}`);
  return code ?? 1;
}

interface JsonReport {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly status: string;
      readonly ancestorTitles: readonly string[];
      readonly title: string;
    }[];
  }[];
}

/** The suites of skipped tests, whose titles say why. */
function skippedIn(json: string): Set<string> {
  if (!existsSync(json)) return new Set();
  const { testResults } = JSON.parse(readFileSync(json, 'utf8')) as JsonReport;
  const skipped = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'skipped' || status === 'pending');
  return new Set(
    skipped.map(({ ancestorTitles, title }) => (ancestorTitles[0] ?? title).split('\n')[0] ?? ''),
  );
}

if (rest.includes('--help') || rest.includes('-h')) console.log(usage);
else {
  cleanUpAtExit();
  for (const major of majors.length > 0 ? majors : DEFAULT)
    if ((await testOn(major)) !== 0) process.exitCode = 1;
}
