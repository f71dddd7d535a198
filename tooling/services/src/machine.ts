import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { installPackages } from './apt.ts';

/** What finding a service asks of the machine. Injected in tests. */
export interface Machine {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The path of a program, searched on the PATH. */
  which(program: string): string | undefined;
  /** Whether a docker engine answers. */
  dockerRuns(): Promise<boolean>;
  /** Whether this process may install Debian packages. */
  mayInstall(): boolean;
  /** Whether somebody sits at a terminal. */
  hasTerminal(): boolean;
  /** Asks at the terminal; false where this process cannot. */
  confirm(question: string): Promise<boolean>;
  /** Installs Debian packages, and waits for another process that installs already. */
  install(packages: readonly string[], isThere: () => boolean): Promise<void>;
}

/** Answer given beforehand, for processes that have a terminal but not its keyboard, such as a test worker. */
export const CONSENT = 'INFRA_SERVICES_INSTALL';

/** The machine that this process runs on. */
export const thisMachine: Machine = {
  env: process.env,
  which,
  dockerRuns,
  mayInstall: () =>
    process.getuid?.() === 0 && existsSync('/etc/debian_version') && which('apt-get') !== undefined,
  hasTerminal,
  confirm,
  install: installPackages,
};

/** The path of a program, searched on the PATH as a shell would. */
export function which(program: string): string | undefined {
  const folders = isAbsolute(program) ? [''] : (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, program)).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The client alone proves nothing: an engine that does not answer within 3 seconds does not run. */
async function dockerRuns(): Promise<boolean> {
  const docker = which('docker');
  if (docker === undefined) return false;
  return await new Promise((resolve) => {
    const args = ['info', '--format', '{{.ServerVersion}}'];
    const options = { timeout: 3_000, killSignal: 'SIGKILL' } as const;
    execFile(docker, args, options, (error, stdout) => resolve(error === null && stdout.trim() !== ''));
  });
}

/** Only the process group in the foreground of a terminal may talk to it; a test worker belongs to that group too. */
function hasTerminal(): boolean {
  if (process.stdin.isTTY && process.stdout.isTTY) return true;
  try {
    // proc(5): after the program's name come state, ppid, pgrp, session, tty_nr and tpgid.
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[2] === fields[5];
  } catch {
    return false;
  }
}

async function confirm(question: string): Promise<boolean> {
  const given = process.env[CONSENT];
  if (given !== undefined) return given === 'yes';
  if (!process.stdin.isTTY || process.env.VITEST_WORKER_ID !== undefined) return false;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim());
  } finally {
    prompt.close();
  }
}
