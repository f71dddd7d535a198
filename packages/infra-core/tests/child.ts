import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** Node's arguments for running TypeScript on the packages' sources. */
export const NODE_ARGS: readonly string[] = ['--import', tsx, '--conditions', '@vibeonrails/infra-source'];

/** The package's own folder: code run there imports it by name. */
export const PACKAGE: string = fileURLToPath(new URL('..', import.meta.url));

/** A running child, and what it has printed so far. */
export interface Child {
  readonly process: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Its standard output as parsed JSON lines. */
  lines(): Record<string, unknown>[];
  /** Resolves when `text` appears on standard output or standard error. */
  printed(text: string): Promise<void>;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

/** Options of {@link run}. */
export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Leave its standard output unread; read it with `process.stdout`. */
  unread?: boolean;
}

/** Runs a TypeScript module in a process of its own; it is killed when the test ends. */
export function run(code: string, options: RunOptions = {}): Child {
  const child = spawn(process.execPath, [...NODE_ARGS, '--input-type=module', '--eval', code], {
    cwd: options.cwd ?? PACKAGE,
    env: environment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return watch(child, options.unread);
}

/** What a child sees of this process's environment: nothing that would change its logs. */
export function environment(extra: Record<string, string> = {}): Record<string, string | undefined> {
  const inherited = { ...process.env };
  for (const name of ['NODE_OPTIONS', 'FORCE_COLOR', 'NO_COLOR', 'CI', 'LOG_LEVEL', 'LOG_PRETTY'])
    delete inherited[name];
  return { ...inherited, NODE_ENV: 'test', ...extra };
}

/** Collects what a child prints. */
export function watch(child: ChildProcess, unread = false): Child {
  let stdout = '';
  let stderr = '';
  const waiting = new Map<string, () => void>();
  const look = (): void => {
    for (const [text, found] of waiting) if (stdout.includes(text) || stderr.includes(text)) found();
  };
  if (!unread)
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
      look();
    });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
    look();
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return {
    process: child,
    stdout: () => stdout,
    stderr: () => stderr,
    lines: () =>
      stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    printed: (text) =>
      new Promise((resolve, reject) => {
        waiting.set(text, resolve);
        child.once('close', () => reject(new Error(`ended without printing ${text}:\n${stdout}${stderr}`)));
        look();
      }),
    ended: once(child, 'close').then(([code, signal]) => signal ?? code),
  };
}

/** An empty folder for one test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'infra core '));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a file of one test and returns its path. */
export function temporaryFile(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
