import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InfraError } from '@vibeonrails/infra-core';

/** A module of the application that could not be loaded. */
export class WorkModuleError extends InfraError {
  constructor(path: string, problem: string, help: string, cause?: unknown) {
    super(`${path} ${problem}.`, { code: 'E_QUEUE_MODULE', help, cause });
  }
}

const TYPESCRIPT = /\.[cm]?tsx?$/;

/** Loads a module of the application by its path. TypeScript needs Node.js 22.18 or later, or tsx beside the application. */
export async function loadModule(path: string): Promise<void> {
  const file = resolve(path);
  if (!existsSync(file))
    throw new WorkModuleError(path, 'does not exist', 'Name a file, from the current folder.');
  if (TYPESCRIPT.test(path) && !runsTypeScript()) await registerTsx(path, file);
  await importFile(file);
}

/** By itself, or because it was started with tsx. */
const runsTypeScript = (): boolean =>
  Boolean((process.features as { typescript?: unknown }).typescript) ||
  [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((flag) => flag.includes('tsx'));

const importFile = (file: string): Promise<unknown> => import(pathToFileURL(file).href);

async function registerTsx(path: string, file: string): Promise<void> {
  let loader: string;
  try {
    loader = createRequire(file).resolve('tsx');
  } catch (thrown) {
    throw new WorkModuleError(
      path,
      `is TypeScript, which Node.js ${process.version} does not run by itself`,
      'Add tsx to the application (pnpm add -D tsx), use Node.js 22.18 or later, or name the JavaScript that was built from it.',
      thrown,
    );
  }
  // What `node --import tsx` does.
  await importFile(loader);
}
