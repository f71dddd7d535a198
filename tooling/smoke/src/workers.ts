import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Services, service } from '@vibeonrails/services';
import { newFolder, removeFolder, run, start, stop } from './commands.ts';
import type { Node } from './examples.ts';
import type { Registry } from './registry.ts';
import type { Report } from './report.ts';

/** What the proofs of workers work with. */
interface WorkerProofs {
  readonly registry: Registry;
  readonly nodes: readonly Node[];
  readonly report: Report;
}

const LIMIT = 60_000;

/** Runs `infra-queue work` of an installed package on a Redis: its thread renews the lock of a job that blocks. */
export async function proveWorkers({ registry, nodes, report }: WorkerProofs): Promise<void> {
  const name = 'infra-queue work runs jobs of an installed package, and keeps one that blocks';
  const found = await service('redis');
  if (!found.available) return report.skip(name, found.reason);
  const redis = await found.start();
  const folder = await newFolder('worker');
  try {
    const dependencies = { '@vibeonrails/infra-queue': '*' };
    const manifest = { private: true, type: 'module', dependencies };
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
    await writeFile(join(folder, '.npmrc'), registry.npmrc);
    const source = fileURLToPath(new URL('../programs/blocking-jobs.mjs', import.meta.url));
    await cp(source, join(folder, 'blocking-jobs.mjs'));
    const installed = await report.check('infra-queue installs for a worker', async () => {
      await run('npm', ['install', '--ignore-scripts', '--loglevel=error'], { cwd: folder });
      return undefined;
    });
    if (!installed) return;
    for (const node of nodes)
      await report.check(`${name}, on Node.js ${node.major}`, () => prove(folder, node, redis));
  } finally {
    await redis.stop();
    await removeFolder(folder);
  }
}

async function prove(folder: string, node: Node, redis: Services['redis']['running']): Promise<string> {
  const prefix = `smoke-${node.major}`;
  const env = { QUEUE_REDIS_URL: redis.url, QUEUE_PREFIX: prefix };
  const program = join(folder, 'node_modules', '.bin', 'infra-queue');
  const worker = start(node.binary, [program, 'work', 'blocking-jobs.mjs'], { cwd: folder, env });
  const said = outputOf(worker);
  const ended = once(worker, 'close');
  try {
    const enqueued = await run(node.binary, ['blocking-jobs.mjs', 'enqueue'], { cwd: folder, env });
    const id = enqueued.stdout.trim();
    await until('starts the job', () => said().includes(`start ${id} 1`), said);
    const lock = `{${prefix}-default}:default:${id}:lock`;
    // Whoever renews it sets its time anew, and while the handler blocks only the thread can.
    await redis.command('PEXPIRE', lock, '600000');
    const left = async (): Promise<number> => Number(await redis.command('PTTL', lock));
    await until('renews the lock', async () => (await left()) < 6000, said);
    if (said().includes('end') || (await left()) < 0) throw new Error(`Nobody renewed the lock.\n${said()}`);
    await until('ends the job', () => said().includes(`end ${id} 1`), said);
    stop(worker);
    const [code] = (await ended) as [number | null];
    if (code !== 0) throw new Error(`It ended with ${code}.\n${said()}`);
    return 'its thread renews the lock';
  } finally {
    stop(worker, 'SIGKILL');
  }
}

function outputOf(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
  return () => text;
}

async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  said: () => string,
): Promise<void> {
  for (const end = Date.now() + LIMIT; !(await holds()); await wait(50))
    if (Date.now() > end) throw new Error(`The worker never ${what}:\n${said()}`);
}
