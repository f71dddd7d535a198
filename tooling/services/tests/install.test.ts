import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { installPackages, lock } from '../src/apt.ts';
import { run } from './child.ts';

let folder: string;
const calls = () => (existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8') : '');
const isThere = () => calls().includes('install');

/** Puts a program named apt-get on the PATH that writes down how it is called. */
async function fakeAptGet(script: string): Promise<void> {
  await writeFile(join(folder, 'apt-get'), `#!/bin/sh\necho "$@" >> ${folder}/calls\n${script}\n`, {
    mode: 0o755,
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'infra-apt-'));
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
  vi.stubEnv('TMPDIR', folder);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe.skipIf(process.platform !== 'linux')('installing (on Linux)', () => {
  test('reads the lists, then installs without recommended packages, and says so in one line', async () => {
    await fakeAptGet('');
    await installPackages(['redis-server'], isThere);
    expect(calls()).toMatch(/^.* update\n.* install -y --no-install-recommends redis-server\n$/);
    expect(process.stderr.write).toHaveBeenCalledExactlyOnceWith(
      'services: installing redis-server (apt-get install)\n',
    );
  });

  test('happens once when two ask at the same time', async () => {
    await fakeAptGet('sleep 0.2');
    await Promise.all([installPackages(['a'], isThere), installPackages(['a'], isThere)]);
    expect(calls().match(/install -y/g)).toHaveLength(1);
  });

  test('reads the lists once for several installations', async () => {
    await fakeAptGet('');
    await installPackages(['a'], () => false);
    await installPackages(['b'], () => false);
    expect(calls().match(/ update$/gm)).toHaveLength(1);
    expect(calls().match(/install -y/g)).toHaveLength(2);
  });

  test('goes on with the old lists when new ones cannot be had', async () => {
    await fakeAptGet('case "$*" in *update) exit 100;; esac');
    await installPackages(['a'], isThere);
    expect(calls()).toContain('install -y');
  });

  test('that fails shows what apt-get said', async () => {
    await fakeAptGet('echo "E: Unable to locate package" >&2; exit 100');
    await expect(installPackages(['a'], () => false)).rejects.toThrow(/exit code 100.*\nE: Unable to locate/);
  });
});

describe.skipIf(process.platform !== 'linux')('the lock (on Linux)', () => {
  test('is had by one at a time', async () => {
    const name = `infra-services-test-${process.pid}`;
    const release = await lock(name);
    const second = lock(name);
    expect(await Promise.race([second, wait(300, 'waiting')])).toBe('waiting');
    release();
    (await second)();
  });

  test('is free again when its holder was killed', async () => {
    const name = `infra-services-killed-${process.pid}`;
    const holder = run('fixtures/lock-holder.ts', [name]);
    expect(await holder.line()).toBe('held');
    holder.process.kill('SIGKILL');
    (await lock(name))();
  });
});
