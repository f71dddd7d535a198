// The browser client as one script. From the published package that is a file to serve as it is; in this repository
// it is TypeScript, whose types are taken off first.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';

let made: Promise<string> | undefined;

/** The text of `@vibeonrails/infra-realtime/client`. */
export function clientScript(): Promise<string> {
  made ??= make();
  return made;
}

async function make(): Promise<string> {
  const file = fileURLToPath(import.meta.resolve('@vibeonrails/infra-realtime/client'));
  const source = await readFile(file, 'utf8');
  return file.endsWith('.ts') ? (await transform(source, { loader: 'ts', format: 'esm' })).code : source;
}
