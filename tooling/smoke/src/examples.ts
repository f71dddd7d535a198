import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { service } from '@vibeonrails/services';
import { newFolder, removeFolder, run } from './commands.ts';
import type { Package } from './packages.ts';
import { asCommonJs, firstExample } from './readme.ts';
import { transpile } from './typescript.ts';

/** A program of Node.js and the name of its version, such as `24`. */
export interface Node {
  readonly major: string;
  readonly binary: string;
}

/** Variables that examples need; a server's are absent where this machine has no such server. */
export interface ExampleServers {
  /** The variables of a package's example, or why it cannot run. */
  variablesOf(short: string): { readonly env: NodeJS.ProcessEnv } | { readonly missing: string };
  stop(): Promise<void>;
}

/** Starts what the examples of `packages` need: a Redis for infra-redis. */
export async function startExampleServers(packages: readonly Package[]): Promise<ExampleServers> {
  const needsRedis = packages.some(({ short }) => short === 'infra-redis');
  const found = needsRedis ? await service('redis') : undefined;
  const redis = found?.available ? await found.start() : undefined;
  return {
    variablesOf: (short) => {
      if (short !== 'infra-redis') return { env: {} };
      if (redis) return { env: { REDIS_URL: redis.url } };
      return { missing: found && !found.available ? found.reason : 'no Redis was asked for' };
    },
    stop: async () => await redis?.stop(),
  };
}

/** Runs a package's first example in an application that has it, by `import` and by `require`. */
export async function runExample(
  { readme }: Package,
  application: string,
  node: Node,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const code = transpile(firstExample(readme));
  const programs = { [`example-${node.major}.mjs`]: code, [`example-${node.major}.cjs`]: asCommonJs(code) };
  for (const [name, text] of Object.entries(programs)) {
    const file = join(application, name);
    await writeFile(file, text);
    // Examples write into the folder they run in, and two of them must not meet there.
    const cwd = await newFolder('example');
    const { output } = await run(node.binary, [file], { cwd, env, limit: 60_000 });
    const warning = /^.*Warning: .*$/m.exec(output)?.[0];
    if (warning) throw new Error(`${name} warns on Node.js ${node.major}: ${warning}`);
    await removeFolder(cwd);
  }
}

/** Imports a package's root where it is installed, and asks that no library is loaded with it. */
export async function loadRoot({ name }: Package, application: string, node: Node): Promise<void> {
  const program = join(application, 'root-loads.mjs');
  await copyFile(new URL('../programs/root-loads.mjs', import.meta.url), program);
  await run(node.binary, [program, name], { cwd: application, limit: 60_000 });
}

/** Loads every entry of a package by `import` and by `require`, and asks that both give the same names. */
export async function loadEntries({ entries }: Package, application: string, node: Node): Promise<void> {
  const file = join(application, `entries-${node.major}.mjs`);
  await writeFile(
    file,
    `import { createRequire } from 'node:module';
     const require = createRequire(import.meta.url);
     for (const entry of ${JSON.stringify(entries)}) {
       const [imported, required] = [Object.keys(await import(entry)), Object.keys(require(entry))];
       if (imported.length === 0) throw new Error(entry + ' exports nothing');
       const missing = imported.filter((name) => !required.includes(name));
       if (missing.length > 0) throw new Error('require(' + entry + ') lacks ' + missing);
     }`,
  );
  await run(node.binary, [file], { cwd: application, limit: 60_000 });
}
