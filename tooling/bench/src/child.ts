import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const threads = new URL('threads.mjs', import.meta.url).href;
const flags = ['--import', tsx, '--import', threads, '--expose-gc'];

/** Which code of the packages a child runs: their sources, or what is published of them, which takes a build. */
export type PackageCode = 'sources' | 'built';

/** Starts Node on TypeScript and on the packages, in the mood of production. */
export function startNode(
  args: readonly string[],
  stdio: StdioOptions,
  env: Readonly<Record<string, string>> = {},
  packages: PackageCode = 'sources',
): ChildProcess {
  const { NODE_OPTIONS: _, LOG_LEVEL: __, LOG_PRETTY: ___, ...inherited } = process.env;
  const conditions = packages === 'sources' ? ['--conditions', '@vibeonrails/infra-source'] : [];
  return spawn(process.execPath, [...flags, ...conditions, ...args], {
    // A folder whose code may import every package.
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...inherited, NODE_ENV: 'production', ...env },
    stdio,
  });
}

/**
 * Runs a script that answers with JSON on descriptor 3: standard output is left to the work itself.
 *
 * @throws an Error with what it wrote to standard error when it ends with anything but 0.
 */
export async function askScript(
  script: URL,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  packages: PackageCode = 'sources',
): Promise<unknown> {
  const stdio: StdioOptions = ['ignore', 'ignore', 'pipe', 'pipe'];
  const child = startNode([fileURLToPath(script), ...args], stdio, env, packages);
  const [stderr, answer] = [collect(child.stdio[2]), collect(child.stdio[3])];
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code !== 0) throw new Error(`It ended with ${signal ?? `exit code ${code}`}.\n${await stderr}`);
  return JSON.parse(await answer);
}

async function collect(stream: unknown): Promise<string> {
  let text = '';
  for await (const chunk of stream as AsyncIterable<Buffer>) text += chunk.toString();
  return text;
}
