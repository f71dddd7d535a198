import type { Worker } from 'node:worker_threads';
import { type Logger, messageOf } from '@vibeonrails/infra-core';
import type { ThreadAddress } from './address.ts';
import { lockTable } from './lock-table.ts';
import type { ThreadMessage } from './lock-thread.ts';
import { within } from './patience.ts';

/** The locks of the jobs that one consumer runs, renewed by a thread whatever the handlers do with this one. */
export interface LockWatch {
  /** Resolves when the thread can renew, or has not come up in a while. */
  ready(): Promise<void>;
  /** Has the lock of a job renewed until it is released, and until a time at most. */
  hold(id: string, token: string, until: number): () => void;
  close(): void;
}

type Watch = Extract<ThreadMessage, { type: 'watch' }>;

/** The thread of this process, with what it watches over. */
interface LockThread {
  readonly watches: Map<number, Watch>;
  readonly greeted: Map<number, () => void>;
  worker: Worker | undefined;
  restart: NodeJS.Timeout | undefined;
  /** How often in a row it ended before it could do anything. */
  failures: number;
}

const READY_TIME = 30_000;
const RESTART_AFTER = 1000;
const RESTART_AFTER_MAX = 60_000;
/** One thread serves every queue of the process. It ends when there has been none for a while. */
const IDLE = 1000;

const thread: LockThread = {
  ...{ watches: new Map(), greeted: new Map() },
  ...{ worker: undefined, restart: undefined, failures: 0 },
};
let count = 0;

/** Starts to watch over the locks of a queue whose keys start with `base`, for so many jobs at once. */
export function watchLocks(base: string, slots: number, address: ThreadAddress, log: Logger): LockWatch {
  const watch = ++count;
  const table = lockTable(slots);
  const message: Watch = { type: 'watch', watch, base, table: table.buffer, address };
  const greeting = new Promise<void>((resolve) => {
    // Locks are renewed by the event loop as well: no reason to wait for a thread that does not start.
    if (thread.restart) resolve();
    thread.greeted.set(watch, resolve);
  });
  thread.watches.set(watch, message);
  if (thread.worker) thread.worker.postMessage(message);
  else void start(log);
  return {
    ready: async () => void (await within(greeting, READY_TIME)),
    hold: table.hold,
    close() {
      if (!thread.watches.delete(watch)) return;
      thread.greeted.get(watch)?.();
      thread.greeted.delete(watch);
      thread.worker?.postMessage({ type: 'leave', watch } satisfies ThreadMessage);
      setTimeout(endWhenIdle, IDLE).unref();
    },
  };
}

function endWhenIdle(): void {
  if (thread.watches.size > 0) return;
  clearTimeout(thread.restart);
  thread.restart = undefined;
  const { worker } = thread;
  thread.worker = undefined;
  void worker?.terminate();
}

/** Starts the thread, and again whenever it ends while it is needed. */
async function start(log: Logger): Promise<void> {
  const { Worker } = await import('node:worker_threads');
  if (thread.worker || thread.restart || thread.watches.size === 0) return;
  try {
    const worker = new Worker(...threadOptions());
    thread.worker = worker;
    worker.unref();
    worker.on('message', (watch: number) => {
      thread.failures = 0;
      thread.greeted.get(watch)?.();
    });
    let reason: unknown = 'it ended';
    worker.on('error', (thrown) => {
      reason = thrown;
    });
    worker.on('exit', () => {
      if (thread.worker === worker) startAgain(reason, log);
    });
    for (const message of thread.watches.values()) worker.postMessage(message);
  } catch (thrown) {
    startAgain(thrown, log);
  }
}

function startAgain(reason: unknown, log: Logger): void {
  const level = thread.failures === 0 ? 'warn' : 'debug';
  log[level](
    { reason: messageOf(reason) },
    'the thread that renews the locks of jobs is not there: until it is, a handler that blocks the event loop for 5 seconds loses its jobs to other workers',
  );
  thread.worker = undefined;
  const delay = Math.min(RESTART_AFTER_MAX, RESTART_AFTER * 2 ** thread.failures);
  thread.failures += 1;
  thread.restart = setTimeout(() => {
    thread.restart = undefined;
    void start(log);
  }, delay);
  thread.restart.unref();
  for (const resolve of thread.greeted.values()) resolve();
}

/** The file beside this one, as source or built, without what the process preloads: a second server, a second agent. */
function threadOptions(): ConstructorParameters<typeof Worker> {
  const env: NodeJS.ProcessEnv = { ...process.env, LOG_LEVEL: 'silent' };
  // The source runs on whatever loader runs this file.
  if (import.meta.url.endsWith('.ts'))
    return [new URL('./lock-thread.ts', import.meta.url), { name: 'infra-queue-locks', env }];
  delete env.NODE_OPTIONS;
  return [new URL('./lock-thread.js', import.meta.url), { name: 'infra-queue-locks', env, execArgv: [] }];
}
