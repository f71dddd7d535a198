import { execFile } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const hour = 3_600_000;

/**
 * Installs Debian packages, one process of the machine at a time: a second one waits, finds that the programs
 * `isThere`, and installs nothing. Says what it does in one line on stderr.
 *
 * @throws an Error with the end of apt-get's output when it fails.
 */
export async function installPackages(packages: readonly string[], isThere: () => boolean): Promise<void> {
  const release = await lock('infra-services-apt');
  try {
    if (isThere()) return;
    process.stderr.write(`services: installing ${packages.join(' ')} (apt-get install)\n`);
    await updateLists();
    await aptGet('install', '-y', '--no-install-recommends', ...packages);
  } finally {
    release();
  }
}

/**
 * Once an hour is enough for tests: the lists change slowly, and reading them takes seconds. A failure is left for
 * the installation to report, which may do with the lists as they are.
 */
async function updateLists(): Promise<void> {
  const stamp = join(tmpdir(), 'infra-services-apt-updated');
  const age = Date.now() - (statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  if (age < hour) return;
  await aptGet('update').then(
    () => writeFileSync(stamp, ''),
    () => {},
  );
}

async function aptGet(...args: string[]): Promise<void> {
  const options = {
    env: {
      ...process.env,
      DEBIAN_FRONTEND: 'noninteractive',
      // Debian's packages start a server of their own when installed, except in runlevel 1.
      RUNLEVEL: '1',
    },
    maxBuffer: 64 * 1024 * 1024,
  };
  await new Promise<void>((resolve, reject) => {
    execFile(
      'apt-get',
      ['-qq', '-o', 'DPkg::Lock::Timeout=600', ...args],
      options,
      (error, stdout, stderr) => {
        if (error === null) return resolve();
        const output = `${stdout}${stderr}`.trim().split('\n').slice(-15).join('\n');
        reject(new Error(`apt-get ${args.join(' ')} failed (exit code ${error.code})\n${output}`));
      },
    );
  });
}

/**
 * Waits for a lock that is one for the machine and cannot outlive its holder: a Linux abstract socket, which has a
 * name but no file, and which the kernel takes back when the process ends.
 */
export async function lock(name: string): Promise<() => void> {
  for (;;) {
    const release = await tryLock(name);
    if (release !== undefined) return release;
    await wait(200);
  }
}

async function tryLock(name: string): Promise<(() => void) | undefined> {
  const server = createServer((socket) => socket.destroy());
  return await new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen({ path: `\0${name}` }, () => resolve(() => server.close()));
  });
}
