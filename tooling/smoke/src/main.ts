import { parseArgs } from 'node:util';
import { newFolder } from './commands.ts';
import type { Node } from './examples.ts';
import { proveInstalls } from './installs.ts';
import { build, packAll, type Tarballs } from './pack.ts';
import { type Package, publishedPackages } from './packages.ts';
import { type Registry, startRegistry } from './registry.ts';
import { inPairs, Report } from './report.ts';
import { proveTable } from './table.ts';
import { installTools, nodeBinary } from './tools.ts';
import { proveTypes } from './types.ts';
import { proveUpgrades } from './upgrades.ts';
import { proveWorkers } from './workers.ts';

const PARTS = ['installs', 'types', 'upgrades', 'workers', 'table'] as const;
type Part = (typeof PARTS)[number];

const usage = `Usage: npx pnpm smoke [part ...] [options]

Proves what a user meets: packs every package as it is published, publishes them to a registry on 127.0.0.1, and in
fresh folders installs each as its README says and runs its example.

Parts (default: all)
  installs   each README's install block with npm, pnpm 10 and pnpm 12; what came; the example by import and require
  types      every entry compiles with skipLibCheck off, with TypeScript 5.9 and 7, without foreign types
  upgrades   older and newer copies of core and of modules side by side in one process
  workers    infra-queue work, installed, on a Redis: its thread renews the lock of a job that blocks
  table      installed size, packages and import time of each package, as Markdown

Options
  --package <name>   only this package, such as cache; may be given several times
  --node <majors>    versions of Node.js to run on (default 20,22,24)
  --table            the same as the part "table"
  --write            with the table: also put it between the two "sizes" comments of README.md
  -h, --help         this text`;

/** The program; returns its exit code. */
export async function main(args: readonly string[], print: (line: string) => void): Promise<number> {
  const command = readCommand(args);
  if ('problem' in command) {
    print(`${command.problem}\n\n${usage}`);
    return 2;
  }
  if (command.help) {
    print(usage);
    return 0;
  }
  const report = new Report(print);
  await proveAll(command, report);
  return report.finish();
}

interface Command {
  readonly help: boolean;
  readonly parts: ReadonlySet<Part>;
  readonly packages: readonly Package[];
  readonly nodes: readonly string[];
  readonly write: boolean;
}

function readCommand(args: readonly string[]): Command | { readonly problem: string } {
  const options = {
    package: { type: 'string', multiple: true },
    node: { type: 'string', default: '20,22,24' },
    table: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  } as const;
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const asked = values.table ? [...positionals, 'table'] : positionals;
    const unknown = asked.find((part) => !PARTS.includes(part as Part));
    if (unknown) return { problem: `There is no part "${unknown}".` };
    const nodes = values.node.split(',');
    if (nodes.some((major) => !/^\d+$/.test(major)))
      return { problem: '--node takes majors, such as 22,24.' };
    const all = publishedPackages();
    const packages = (values.package ?? []).map((name) =>
      all.find(({ short }) => short === name || short === `infra-${name}`),
    );
    if (packages.includes(undefined))
      return { problem: `--package takes ${all.map(({ short }) => short).join(', ')}.` };
    return {
      help: values.help,
      parts: new Set((asked.length > 0 ? asked : PARTS) as readonly Part[]),
      packages: packages.length > 0 ? packages.filter((found) => found !== undefined) : all,
      nodes,
      write: values.write,
    };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

async function proveAll(command: Command, report: Report): Promise<void> {
  const all = publishedPackages();
  const { parts, packages } = command;
  let tarballs: Tarballs = new Map();
  let registry: Registry | undefined;
  const prepared = await report.check('packages are built, packed and published on 127.0.0.1', async () => {
    await installTools();
    await build();
    tarballs = await packAll(all);
    registry = await startRegistry();
    await inPairs([...tarballs.values()], async (tarball) => await registry?.publish(tarball));
    return `${tarballs.size} packages at ${registry.url}`;
  });
  if (!prepared || !registry) return;
  const nodes = await findNodes(command.nodes, report);
  report.say('');
  if (parts.has('installs')) await proveInstalls({ registry, packages, all, nodes, report });
  if (parts.has('types')) await proveTypes(packages, registry, report);
  if (parts.has('upgrades')) {
    const versions = new Map(all.map(({ short, manifest }) => [short, manifest.version]));
    await proveUpgrades({ registry, tarballs, versions, nodes, report });
  }
  if (parts.has('workers')) await proveWorkers({ registry, nodes, report });
  if (parts.has('table')) await proveTable(packages, registry, report, command.write);
  await registry.stop();
}

/** The asked versions of Node.js, this process's own first. */
async function findNodes(majors: readonly string[], report: Report): Promise<Node[]> {
  const cwd = await newFolder('node');
  const nodes: Node[] = [];
  await report.check(`Node.js ${majors.join(', ')}`, async () => {
    for (const major of majors) nodes.push({ major, binary: await nodeBinary(major, cwd) });
    nodes.sort((a, b) => Number(b.binary === process.execPath) - Number(a.binary === process.execPath));
    return 'as npm ships them';
  });
  return nodes;
}
