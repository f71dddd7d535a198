import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from './disk.ts';

/** Turns at changing a key: one writer at a time, over all processes that share the folder. */
export interface Locks {
  /** Runs `work` when it is its turn, unless `signal` aborts first. The work is short: a comparison and a rename. */
  hold<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** A lock this old is left over from a crash: what it guards takes milliseconds. */
const ABANDONED = 30_000;

/**
 * Locks in `folder`. In this process callers queue; between processes the holder is who created the lock file
 * (O_EXCL), which holds its host and process id. The lock of a dead process on this host is broken at once, any other
 * after 30 seconds.
 */
export function fileLocks(folder: string): Locks {
  const queues = new Map<string, Promise<unknown>>();
  return {
    hold(key, work, signal) {
      const path = join(folder, createHash('sha256').update(key).digest('hex').slice(0, 32));
      const turn = (queues.get(path) ?? Promise.resolve())
        .catch(() => undefined)
        .then(async () => {
          const owner = await acquire(path, signal);
          try {
            return await work();
          } finally {
            await release(path, owner);
          }
        });
      queues.set(path, turn);
      const forget = (): void => {
        if (queues.get(path) === turn) queues.delete(path);
      };
      turn.then(forget, forget);
      return turn;
    },
  };
}

async function acquire(path: string, signal: AbortSignal | undefined): Promise<string> {
  const owner = `${hostname()} ${process.pid} ${randomUUID()}`;
  for (let wait = 1; ; wait = Math.min(wait * 2, 32)) {
    signal?.throwIfAborted();
    const written = await create(path, owner);
    if (written !== undefined) return written;
    await breakIfAbandoned(path);
    await sleep(wait * (0.5 + Math.random()));
  }
}

/** Ours may have been broken while this process stood still; then the file is another's. */
async function release(path: string, owner: string): Promise<void> {
  if ((await content(path)) === owner) await rm(path, { force: true });
}

/** Windows answers EPERM while the former holder's file is on its way out. */
const TAKEN = process.platform === 'win32' ? ['EEXIST', 'EPERM'] : ['EEXIST'];

/** Makes a lock file with `owner` in it, and returns what is in it; `undefined` when there is one. */
async function create(path: string, owner: string): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'wx');
  } catch (err) {
    if (hasCode(err, ...TAKEN)) return undefined;
    if (!hasCode(err, 'ENOENT')) throw err;
    await mkdir(dirname(path), { recursive: true });
    return undefined;
  }
  try {
    await file.writeFile(owner);
    return owner;
  } catch (err) {
    // On a full disk an empty lock does, or the delete that makes room could not run.
    if (hasCode(err, 'ENOSPC', 'EDQUOT')) return '';
    await rm(path, { force: true });
    throw err;
  } finally {
    await file.close();
  }
}

/** Breaking is itself done under a lock, lest two break one after the other and the second hits a fresh one. */
async function breakIfAbandoned(path: string): Promise<void> {
  const seen = await content(path);
  if (seen === undefined || !(await isAbandoned(path, seen))) return;
  const breaker = `${path}.break`;
  if ((await create(breaker, '')) !== undefined) {
    if ((await content(path)) === seen) await rm(path, { force: true });
    await rm(breaker, { force: true });
  } else if (await isOld(breaker)) {
    await rm(breaker, { force: true });
  }
}

async function isAbandoned(path: string, owner: string): Promise<boolean> {
  const [host, pid] = owner.split(' ');
  return (host === hostname() && !isAlive(Number(pid))) || (await isOld(path));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (err) {
    return !hasCode(err, 'ESRCH');
  }
}

async function isOld(path: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > ABANDONED;
  } catch {
    return false;
  }
}

async function content(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (err) {
    if (hasCode(err, 'ENOENT')) return undefined;
    throw err;
  }
}
