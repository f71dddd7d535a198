import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where and how a command runs. */
export interface CommandOptions {
  readonly cwd: string;
  /** Added to {@link environment}. */
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds until it is killed. Default five minutes. */
  readonly limit?: number;
  /** An exit code other than 0 is returned, not thrown. Default false. */
  readonly mayFail?: boolean;
}

/** What a command did. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  /** Standard output and standard error, in the order they came. */
  readonly output: string;
}

const running = new Set<ChildProcess>();
const folders = new Set<string>();

/** This process's variables without those that scripts of npm, pnpm and test runners add, and without questions. */
export function environment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const ours =
    /^(npm_(lifecycle|package)_|npm_(execpath|node_execpath|command)$|PNPM_SCRIPT|VITEST|INIT_CWD$)/;
  const config = /^npm_config_(local_prefix|user_agent|node_gyp|npm_version|prefix|global_prefix|dir)$/;
  const noise = /^(FORCE_COLOR|NODE_ENV|NODE_OPTIONS|NODE_PATH|NODE_V8_COVERAGE)$/;
  const kept = Object.entries(process.env).filter(
    ([name]) => ![ours, config, noise].some((pattern) => pattern.test(name)),
  );
  return {
    ...Object.fromEntries(kept),
    NO_COLOR: '1',
    npm_config_yes: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
    ...extra,
  };
}

/** Starts a program in a process group of its own, which {@link cleanUp} ends. */
export function start(file: string, args: readonly string[], options: CommandOptions): ChildProcess {
  const child = spawn(file, [...args], {
    cwd: options.cwd,
    env: environment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  child.once('close', () => running.delete(child));
  return child;
}

/** Runs a program to its end. @throws an Error with the end of its output unless it exits with 0. */
export async function run(file: string, args: readonly string[], options: CommandOptions): Promise<Outcome> {
  const { limit = 300_000, mayFail = false } = options;
  const child = start(file, args, options);
  let stdout = '';
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    output += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop(child, 'SIGKILL');
  }, limit);
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit, signal) => resolve(exit ?? 128 + (signal ? constants.signals[signal] : 0)));
  }).finally(() => clearTimeout(timer));
  if (code === 0 || (mayFail && !late)) return { code, stdout, output };
  const how = late ? `was killed after ${limit / 1000} s` : `ended with ${code}`;
  throw new Error(`${[file, ...args].join(' ')} ${how}:\n${tail(output)}`);
}

const tail = (text: string): string => text.trim().split('\n').slice(-30).join('\n');

/** Ends a started program and what it started. */
export function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal); // It has just ended, or has no group.
  }
}

/** A fresh folder, with a space in its name as users have. {@link cleanUp} removes it. */
export async function newFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `infra ${name} `));
  folders.add(folder);
  return folder;
}

/** Removes a folder made by {@link newFolder} before the end. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  folders.delete(folder);
}

/** Ends every program that still runs and removes every folder. */
export function cleanUp(): void {
  for (const child of running) stop(child, 'SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  folders.clear();
}

/** Cleans up however this process ends, Ctrl-C and errors included. */
export function cleanUpAtExit(): void {
  process.once('exit', cleanUp);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
}
