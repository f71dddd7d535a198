import { cp, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { service } from '@vibeonrails/services';
import { newFolder, removeFolder, run } from './commands.ts';
import type { Node } from './examples.ts';
import { type Edits, type Tarballs, variant } from './pack.ts';
import { SCOPE } from './packages.ts';
import type { Registry } from './registry.ts';
import { inPairs, type Report } from './report.ts';

/** What the proofs of upgrades work with. */
export interface UpgradeProofs {
  readonly registry: Registry;
  readonly tarballs: Tarballs;
  /** The version all packages of the repository were packed under, by folder name. */
  readonly versions: ReadonlyMap<string, string>;
  readonly nodes: readonly Node[];
  readonly report: Report;
}

const CORE = `${SCOPE}/infra-core`;
const CACHE = `${SCOPE}/infra-cache`;
const QUEUE = `${SCOPE}/infra-queue`;

/** Releases as they may come: later minors, a core and a cache whose shared state no earlier copy understands. */
const RELEASES: readonly (readonly [short: string, edits: Edits])[] = [
  ['infra-core', { version: '1.99.0' }],
  ['infra-core', { version: '2.0.0' }],
  [
    'infra-core',
    {
      version: '3.0.0',
      replace: [{ from: 'slot("modules", 1', to: 'slot("modules", 99' }],
    },
  ],
  ['infra-cache', { version: '1.99.0' }],
  ['infra-cache', { version: '3.0.0', replace: [{ from: 'contract: 1,', to: 'contract: 99,' }] }],
  ['infra-queue', { version: '1.99.0' }],
  ['infra-queue', { version: '2.0.0', dependencies: { [CORE]: '^2.0.0' } }],
];

/** Publishes later releases of some packages and proves that each can be upgraded without the others. */
export async function proveUpgrades(proofs: UpgradeProofs): Promise<void> {
  const { report, registry, tarballs, versions } = proofs;
  const now = (short: string): string => versions.get(short) ?? '';
  const published = await report.check('upgrades: later releases are published', async () => {
    await inPairs(RELEASES, async ([short, edits]) => {
      await registry.publish(await variant(tarballs.get(short) ?? '', edits), 'upgrade');
    });
    return RELEASES.map(([short, { version }]) => `${short} ${version}`).join(', ');
  });
  if (!published) return;
  const beside = (cache: string, core: string, copies: number): Application => ({
    name: `infra-cache ${cache} beside infra-core ${core}, ${copies === 1 ? 'one copy' : 'two copies'} of core`,
    dependencies: { [CACHE]: cache, [CORE]: core },
    runs: [{ program: 'two-cores', args: [cache, core, String(copies)] }],
  });
  const refused = (name: string, second: string, code: string, use: string[]): Application => ({
    name,
    dependencies: { [CACHE]: now('infra-cache'), second },
    runs: [{ program: 'unknown-contract', args: [CACHE, 'second', ...use], prints: code }],
  });
  const applications = [
    beside(now('infra-cache'), '1.99.0', 1),
    beside('1.99.0', now('infra-core'), 1),
    beside(now('infra-cache'), '2.0.0', 2),
    queues('an earlier', '1.99.0', now('infra-queue')),
    queues('an earlier major', '2.0.0', now('infra-queue')),
    refused('a cache of an unknown contract is refused', `npm:${CACHE}@3.0.0`, 'E_CACHE_CONTRACT', [
      'cache',
      'get',
    ]),
    refusedCore(now('infra-cache')),
  ];
  await inPairs(applications, async (application) => await prove(proofs, application));
  await proveOnRedis(proofs, now('infra-queue'));
  report.say('');
}

/** An application, what it installs, and the programs of `programs/` that must end well in it. */
interface Application {
  readonly name: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly runs: readonly {
    readonly program: string;
    readonly args: readonly string[];
    readonly prints?: string;
  }[];
}

const queues = (which: string, later: string, earlier: string): Application => ({
  name: `a job enqueued by ${which} copy of infra-queue (${earlier}) is run by a later one (${later}), and the reverse`,
  dependencies: { earlier: `npm:${QUEUE}@${earlier}`, later: `npm:${QUEUE}@${later}` },
  runs: [
    { program: 'two-queues', args: ['earlier', 'later'] },
    { program: 'two-queues', args: ['later', 'earlier'] },
  ],
});

const refusedCore = (cache: string): Application => ({
  name: 'a core of an unknown contract is refused',
  dependencies: { [CACHE]: cache, [CORE]: '3.0.0', second: `npm:${CACHE}@1.99.0` },
  runs: [{ program: 'unknown-core', args: [CACHE, CORE], prints: 'E_SLOT_CONTRACT' }],
});

async function prove({ registry, nodes, report }: UpgradeProofs, application: Application): Promise<void> {
  await report.check(`upgrades: ${application.name}`, async () => {
    const folder = await install(registry, application.dependencies);
    for (const node of nodes)
      for (const { program, args, prints } of application.runs) {
        const file = await place(program, folder);
        const { stdout } = await run(node.binary, [file, ...args], { cwd: folder, limit: 60_000 });
        if (prints && !stdout.startsWith(prints))
          throw new Error(`${program} on Node.js ${node.major} printed "${stdout.trim()}", not ${prints}.`);
      }
    await removeFolder(folder);
    return `on Node.js ${nodes.map(({ major }) => major).join(', ')}`;
  });
}

async function install(registry: Registry, dependencies: Readonly<Record<string, string>>): Promise<string> {
  const folder = await newFolder('upgrade');
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies }),
  );
  await writeFile(join(folder, '.npmrc'), registry.npmrc);
  await run('npm', ['install', '--ignore-scripts', '--loglevel=error'], { cwd: folder });
  return folder;
}

/** Puts a program into an application, from where it finds what is installed there. */
async function place(program: string, folder: string): Promise<string> {
  const source = fileURLToPath(new URL(`../programs/${program}.mjs`, import.meta.url));
  const file = join(folder, basename(source));
  await cp(source, file);
  return file;
}

async function proveOnRedis({ registry, nodes, report }: UpgradeProofs, earlier: string): Promise<void> {
  const name = `upgrades: on Redis, infra-queue ${earlier} enqueues in one process and 2.0.0 works in another`;
  const found = await service('redis');
  if (!found.available) {
    report.skip(name, found.reason);
    return;
  }
  await report.check(name, async () => {
    const redis = await found.start();
    try {
      const folder = await install(registry, queues('', '2.0.0', earlier).dependencies);
      const file = await place('two-queues', folder);
      for (const pair of [
        ['earlier', 'later'],
        ['later', 'earlier'],
      ])
        for (const role of ['enqueue', 'work']) {
          const env = { QUEUE_REDIS_URL: redis.url, QUEUE_PREFIX: pair.join('-') };
          await run(nodes[0]?.binary ?? process.execPath, [file, ...pair, role], {
            cwd: folder,
            env,
            limit: 60_000,
          });
        }
      await removeFolder(folder);
      return 'and the reverse';
    } finally {
      await redis.stop();
    }
  });
}
