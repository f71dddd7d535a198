import { setTimeout as wait } from 'node:timers/promises';
import { type Launch, type OwnedProcess, startProcess } from './owned-process.ts';

/** What a test does to a running server. */
export interface ServerControl {
  /** The process, while it runs and belongs to this one. */
  readonly pid: number | undefined;
  /** Ends it for good and removes its folder. Can be called twice. */
  stop(): Promise<void>;
  /** Ends it the hard way and keeps its folder, for {@link restart}. Default `SIGKILL`. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and folder, after ending it in order when it runs. */
  restart(): Promise<void>;
  /** Freezes it: connections stay open and nothing answers (SIGSTOP). */
  pause(): void;
  resume(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** How a server is run. */
export interface ServerOptions {
  readonly launch: () => Launch;
  /** Whether it answers; called again and again until it does. */
  readonly isReady: () => Promise<boolean>;
  /** Milliseconds it may take to answer. */
  readonly timeout: number;
  /** What else ends with it. */
  readonly cleanup: () => Promise<void>;
}

/**
 * Starts a server and waits until it answers.
 *
 * @throws an Error with the end of its log when it ends or does not answer in time.
 */
export async function startServer(options: ServerOptions): Promise<ServerControl> {
  let current = await launchReady(options);
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= endProcess(current).then(options.cleanup);
    return stopped;
  };
  return {
    get pid() {
      return current.running ? current.pid : undefined;
    },
    stop,
    kill: async (signal = 'SIGKILL') => {
      current.signal(signal);
      await ended(current, 10_000);
    },
    restart: async () => {
      if (stopped !== undefined) throw new Error(`${current.name} was stopped: start another one`);
      await endProcess(current);
      current = await launchReady(options);
    },
    pause: () => current.signal('SIGSTOP'),
    resume: () => current.signal('SIGCONT'),
    [Symbol.asyncDispose]: stop,
  };
}

async function launchReady({ launch, isReady, timeout }: ServerOptions): Promise<OwnedProcess> {
  const process = await startProcess(launch());
  const deadline = Date.now() + timeout;
  while (!(await isReady())) {
    const late = Date.now() > deadline;
    if (process.running && !late) {
      await wait(25);
      continue;
    }
    const what = late ? `did not answer within ${timeout / 1_000} s` : 'ended at once';
    const output = process.output();
    await endProcess(process);
    throw new Error(`${process.name} ${what}\n${output}`);
  }
  return process;
}

/** Ends a process in order, and after 5 seconds the hard way. A frozen one could not hear the request. */
async function endProcess(process: OwnedProcess): Promise<void> {
  process.signal('SIGTERM');
  process.signal('SIGCONT');
  await ended(process, 5_000).catch(async () => {
    process.signal('SIGKILL');
    await ended(process, 5_000);
  });
}

async function ended(process: OwnedProcess, limit: number): Promise<void> {
  // Held by a timer, since the child itself does not keep this process waiting.
  const timer = new AbortController();
  const late = wait(limit, 'late', { signal: timer.signal }).catch(() => 'done');
  const outcome = await Promise.race([process.exited, late]);
  timer.abort();
  if (outcome === 'late') throw new Error(`${process.name} (pid ${process.pid}) does not end`);
}

/** The controls of a server that somebody else runs: it is left alone. */
export function foreignServer(what: string): ServerControl {
  const refuse = (verb: string) => {
    throw new Error(`Cannot ${verb} ${what}: it is not ours. Ask for one of your own with { own: true }`);
  };
  return {
    pid: undefined,
    stop: async () => {},
    kill: async () => refuse('kill'),
    restart: async () => refuse('restart'),
    pause: () => refuse('pause'),
    resume: () => refuse('resume'),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Adds properties and keeps `pid` live, which spreading would not. */
export function extend<T extends object>(control: ServerControl, more: T): ServerControl & T {
  return Object.defineProperties(control, Object.getOwnPropertyDescriptors(more)) as ServerControl & T;
}
