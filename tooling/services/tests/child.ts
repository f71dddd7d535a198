import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';

/** A TypeScript file of this package, running in a process of its own. */
export interface Child {
  readonly process: ChildProcess;
  /** The next line of its output; undefined when it has ended. */
  line(): Promise<string | undefined>;
  /** Everything it printed, on both streams, and its exit code. */
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** Starts a file of this package; it is killed when the test ends. */
export function run(file: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Child {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
  return start(['--import', tsx, path, ...args], { ...process.env, ...env });
}

/** Starts node; it is killed when the test ends. */
export function start(args: readonly string[], env: NodeJS.ProcessEnv): Child {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let output = '';
  const collect = (chunk: string): void => {
    output += chunk;
  };
  child.stderr.setEncoding('utf8').on('data', collect);
  child.stdout.setEncoding('utf8').on('data', collect);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    line: async () => (await lines.next()).value,
    ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, output }))),
  };
}
