import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readlink, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll } from 'vitest';

/** Folders of a test file, removed at its end. The space is there on purpose. */
export function temporaryFolders(): () => string {
  const home = mkdtempSync(join(tmpdir(), 'infra storage '));
  afterAll(() => rmSync(home, { recursive: true, force: true }));
  return () => join(home, randomUUID());
}

/** What unfinished work has left in a storage's folder. */
export async function leftovers(dir: string): Promise<string[]> {
  const names = async (folder: string): Promise<string[]> => readdir(join(dir, folder)).catch(() => []);
  return [...(await names('tmp')), ...(await names('locks'))];
}

/** The files below `dir` that this process holds open. */
export async function openFiles(dir: string): Promise<string[]> {
  const real = await realpath(dir);
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return links.filter((path) => path.startsWith(real));
}

/** Waits until `check` returns true, for what another process or a socket decides. */
export async function eventually(check: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !(await check()); ) {
    if (Date.now() > end) throw new Error('it did not come true within 30 s');
    await sleep(10);
  }
}
