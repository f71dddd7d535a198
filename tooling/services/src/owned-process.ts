import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What to run. */
export interface Launch {
  /** For messages, and for the name of its log. */
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** The folder it works in, which is removed if this process dies without stopping it. */
  readonly dir: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The docker container that it runs, when signals must go there. */
  readonly container?: string;
}

/** A process that ends when this one does, however that happens. */
export interface OwnedProcess {
  readonly name: string;
  readonly pid: number;
  /** Resolves when it has ended. */
  readonly exited: Promise<void>;
  readonly running: boolean;
  signal(signal: NodeJS.Signals): void;
  /** The last lines that it printed. */
  output(): string;
}

/**
 * Starts a server in a process group of its own, so that Ctrl-C at the terminal reaches the program under test first.
 *
 * @throws an Error when the program cannot be started.
 */
export async function startProcess(launch: Launch): Promise<OwnedProcess> {
  const log = join(launch.dir, `${launch.name}.log`);
  // A file and not a pipe: a blocked test must not block the server, nor a dead one leave it writing to nobody.
  const descriptor = openSync(log, 'a');
  const child = spawn(launch.file, launch.args, {
    cwd: launch.dir,
    env: launch.env ?? process.env,
    stdio: ['ignore', descriptor, descriptor],
    detached: true,
  });
  closeSync(descriptor);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', reject).once('spawn', () => resolve(child.pid ?? 0));
  });
  child.unref();
  const guard = startGuard(pid, launch);
  void exited.then(() => guard.stdin?.end('ended\n'));
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  return {
    name: launch.name,
    pid,
    exited,
    get running() {
      return isRunning();
    },
    signal: (signal) => {
      if (!isRunning()) return;
      if (launch.container === undefined) child.kill(signal);
      else spawnSync('docker', ['kill', '--signal', signal, launch.container], { stdio: 'ignore' });
    },
    output: () => lastLines(log),
  };
}

/**
 * A shell that reads a pipe from this process. A line means that the server ended. The end of the pipe without a line
 * means that this process is gone, also by SIGKILL, where no handler of ours could run: then it ends the server.
 */
function startGuard(pid: number, { dir, container }: Launch): ChildProcess {
  const script =
    'read -r _ && exit; kill -9 "$1"; if [ -n "$3" ]; then docker kill "$3"; fi; sleep 0.1; rm -rf "$2"';
  const guard = spawn('/bin/sh', ['-c', script, 'guard', String(pid), dir, container ?? ''], {
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.unref();
  guard.stdin.on('error', () => {});
  if ('unref' in guard.stdin && typeof guard.stdin.unref === 'function') guard.stdin.unref();
  return guard;
}

function lastLines(log: string): string {
  return existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-15).join('\n') : '';
}
