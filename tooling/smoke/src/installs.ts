import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeFolder } from './commands.ts';
import {
  type Installed,
  installedIn,
  type Manager,
  newConsumer,
  packageManagers,
  reachableFrom,
} from './consumer.ts';
import {
  type ExampleServers,
  loadEntries,
  loadRoot,
  type Node,
  runExample,
  startExampleServers,
} from './examples.ts';
import { declaredBy, type Manifest, type Package, SCOPE } from './packages.ts';
import { installLines, namesIn } from './readme.ts';
import type { Registry } from './registry.ts';
import { inPairs, type Report } from './report.ts';

/** What the install proofs work with. */
export interface InstallProofs {
  readonly registry: Registry;
  /** Those to install. */
  readonly packages: readonly Package[];
  /** All of the repository's, which those may depend on. */
  readonly all: readonly Package[];
  /** The first is this process's. */
  readonly nodes: readonly Node[];
  readonly report: Report;
}

/** Installs each package as its README says, with each package manager, and runs its example there. */
export async function proveInstalls(proofs: InstallProofs): Promise<void> {
  const { packages, report } = proofs;
  const managers = await packageManagers();
  const servers = await startExampleServers(packages);
  try {
    const pairs = packages.flatMap((found) => managers.map((manager) => ({ found, manager })));
    await inPairs(pairs, async ({ found, manager }) => await prove(proofs, found, manager, servers));
  } finally {
    await servers.stop();
  }
  report.say('');
}

async function prove(
  proofs: InstallProofs,
  found: Package,
  manager: Manager,
  servers: ExampleServers,
): Promise<void> {
  const { registry, report, all, nodes } = proofs;
  const application = await newConsumer(found.short, registry);
  const installed = await report.check(`${found.short} installs with ${manager.name}`, async () => {
    const lines = installLines(found.readme);
    for (const line of lines) await manager.run(line, application);
    return checkInstalled(application, namesIn(lines), all, manager.name !== 'npm');
  });
  if (installed) {
    // Where it was installed from makes no difference to the version of Node.js: one layout runs on all of them.
    const own = manager.name === 'pnpm 12' ? nodes : nodes.slice(0, 1);
    for (const node of own) await proveRuns(found, application, node, { manager, servers, report });
  }
  await removeFolder(application);
}

interface Running {
  readonly manager: Manager;
  readonly servers: ExampleServers;
  readonly report: Report;
}

async function proveRuns(
  found: Package,
  application: string,
  node: Node,
  { manager, servers, report }: Running,
): Promise<void> {
  const where = `with ${manager.name} on Node.js ${node.major}`;
  const variables = servers.variablesOf(found.short);
  if ('missing' in variables) report.skip(`${found.short}: its example ${where}`, variables.missing);
  await report.check(`${found.short} runs ${where}`, async () => {
    await loadRoot(found, application, node);
    await loadEntries(found, application, node);
    if ('env' in variables) await runExample(found, application, node, variables.env);
    return 'every entry and the example, by import and by require; the root without a library';
  });
}

/** Asks that everything declared is there and nothing else. */
async function checkInstalled(
  application: string,
  asked: readonly string[],
  all: readonly Package[],
  strict: boolean,
): Promise<string> {
  const installed = await installedIn(join(application, 'node_modules'));
  const names = new Set(installed.map(({ manifest }) => manifest.name));
  const declared = declaredClosure(asked, installed, lockedBy(application));
  complain(
    'installed without being declared',
    [...names].filter((name) => !declared.has(name)),
  );

  const source = new Map(all.map(({ name, manifest }) => [name, manifest]));
  const ours = declaredBy(applicationWith(asked), (name) => source.get(name));
  const expected = [...ours].filter((name) => name.startsWith(`${SCOPE}/`));
  complain(
    'declared in this repository and not installed',
    expected.filter((name) => !names.has(name)),
  );
  complain(
    'of ours, installed and not declared in this repository',
    [...names].filter((name) => name.startsWith(`${SCOPE}/`) && !ours.has(name)),
  );
  if (strict) {
    const reachable = await reachableFrom(application);
    complain(
      'reachable without having been asked for',
      reachable.filter((name) => !asked.includes(name)),
    );
  }
  return `${names.size} packages, ${expected.length} of ours`;
}

const applicationWith = (asked: readonly string[]): Manifest => ({
  name: 'app',
  version: '0.0.0',
  dependencies: Object.fromEntries(asked.map((name) => [name, '*'])),
});

function declaredClosure(
  asked: readonly string[],
  installed: readonly Installed[],
  locked: ReadonlyMap<string, Manifest>,
): Set<string> {
  const byName = new Map(installed.map(({ manifest }) => [manifest.name, manifest]));
  return declaredBy(applicationWith(asked), (name) => byName.get(name) ?? locked.get(name));
}

/** What pnpm's lockfile says of each package: one that is optional and did not build is gone, what it needs is not. */
function lockedBy(application: string): Map<string, Manifest> {
  const file = join(application, 'pnpm-lock.yaml');
  const found = new Map<string, Manifest>();
  const [, snapshots = ''] = existsSync(file) ? readFileSync(file, 'utf8').split(/^snapshots:$/m) : [];
  for (const [, name = '', body = ''] of snapshots.matchAll(
    /^ {2}'?(@?[^@\s]+)@[^\n]*:\n((?: {4}.*\n)*)/gm,
  )) {
    const names = Array.from(body.matchAll(/^ {6}'?(@?[^':\s]+)'?: /gm), ([, dependency = '']) => dependency);
    found.set(name, { ...applicationWith(names), name });
  }
  return found;
}

function complain(what: string, names: readonly string[]): void {
  if (names.length > 0) throw new Error(`${what}: ${names.join(', ')}`);
}
