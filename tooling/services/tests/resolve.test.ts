import { describe, expect, test } from 'vitest';
import type { Machine } from '../src/machine.ts';
import { needs } from '../src/needs.ts';
import { resolve } from '../src/resolve.ts';

interface Have {
  readonly env?: Record<string, string>;
  readonly programs?: string[];
  readonly docker?: boolean;
  readonly mayInstall?: boolean;
  readonly terminal?: boolean;
  /** The answer at the terminal. */
  readonly yes?: boolean;
  /** What an installation brings, or the error it ends with. */
  readonly installs?: string[] | Error;
}

/** A machine that has what the test says, and a list of what it was asked to do. */
function machineWith(have: Have): Machine & { readonly asked: string[] } {
  const programs = [...(have.programs ?? [])];
  const asked: string[] = [];
  return {
    asked,
    env: have.env ?? {},
    which: (program) => (programs.includes(program) ? `/bin/${program}` : undefined),
    dockerRuns: async () => {
      asked.push('docker');
      return have.docker ?? false;
    },
    mayInstall: () => have.mayInstall ?? false,
    hasTerminal: () => have.terminal ?? false,
    confirm: async () => {
      asked.push('question');
      return have.yes ?? false;
    },
    install: async (packages) => {
      asked.push(`install ${packages.join(' ')}`);
      if (have.installs instanceof Error) throw have.installs;
      programs.push(...(have.installs ?? []));
    },
  };
}

const everything: Have = {
  env: { TEST_REDIS_URL: 'redis://127.0.0.1:6379' },
  programs: ['redis-server', 'valkey-server'],
  docker: true,
  mayInstall: true,
  installs: ['redis-server'],
};

describe('the order', () => {
  test('an address in the environment comes first, and nothing else is looked at', async () => {
    const machine = machineWith(everything);
    const values = { TEST_REDIS_URL: 'redis://127.0.0.1:6379' };
    expect(await resolve(needs.redis, machine)).toEqual({ from: 'environment', values });
    expect(machine.asked).toEqual([]);
  });

  test('then a program on the PATH', async () => {
    const machine = machineWith({ ...everything, env: {} });
    const programs = { 'redis-server': '/bin/redis-server' };
    expect(await resolve(needs.redis, machine)).toEqual({ from: 'path', programs });
    expect(machine.asked).toEqual([]);
  });

  test('then a docker engine', async () => {
    const machine = machineWith({ ...everything, env: {}, programs: [] });
    expect(await resolve(needs.redis, machine)).toEqual({ from: 'docker', image: 'redis:7' });
    expect(machine.asked).toEqual(['docker']);
  });

  test('then an installation', async () => {
    const machine = machineWith({ mayInstall: true, installs: ['redis-server'] });
    const programs = { 'redis-server': '/bin/redis-server' };
    expect(await resolve(needs.redis, machine)).toEqual({ from: 'install', programs });
    expect(machine.asked).toEqual(['docker', 'install redis-server']);
  });

  test('then nothing, and the reason says what would help', async () => {
    const found = await resolve(needs.redis, machineWith({}));
    expect(found).toMatchObject({ from: 'nowhere' });
    expect('reason' in found && found.reason).toBe(
      'redis: no redis-server or valkey-server on the PATH, and no docker engine runs; install with: ' +
        'apt-get install redis-server (elsewhere: brew install redis), or set TEST_REDIS_URL',
    );
  });
});

describe('the environment', () => {
  test('is passed over when the server must be ours', async () => {
    expect(await resolve(needs.redis, machineWith(everything), { own: true })).toMatchObject({
      from: 'path',
    });
  });

  test('that names a server in part is an error, not a fallback', async () => {
    const env = { TEST_S3_ENDPOINT: 'http://127.0.0.1:9000', TEST_S3_ACCESS_KEY_ID: 'a' };
    await expect(resolve(needs.s3, machineWith({ env }))).rejects.toThrow(
      'set TEST_S3_SECRET_ACCESS_KEY too',
    );
  });

  test('with an empty variable names nothing', async () => {
    const machine = machineWith({ env: { TEST_REDIS_URL: '' }, programs: ['redis-server'] });
    expect(await resolve(needs.redis, machine)).toMatchObject({ from: 'path' });
  });
});

describe('programs', () => {
  test('another name will do', async () => {
    const programs = { 'redis-server': '/bin/valkey-server' };
    const machine = machineWith({ programs: ['valkey-server'] });
    expect(await resolve(needs.redis, machine)).toEqual({ from: 'path', programs });
  });

  test('one that is missing of several is named, and makes the service missing', async () => {
    const programs = ['radosgw', 'ceph-mon', 'ceph', 'radosgw-admin', 'monmaptool'];
    const found = await resolve(needs.s3, machineWith({ programs, docker: true }));
    expect('reason' in found && found.reason).toContain('s3: no ceph-osd on the PATH; install with');
  });
});

describe('installing', () => {
  test('waits for a yes where somebody sits at a terminal', async () => {
    const machine = machineWith({
      ...everything,
      env: {},
      programs: [],
      docker: false,
      terminal: true,
      yes: true,
    });
    expect(await resolve(needs.redis, machine)).toMatchObject({ from: 'install' });
    expect(machine.asked).toEqual(['docker', 'question', 'install redis-server']);
  });

  test('does not happen after a no', async () => {
    const machine = machineWith({ ...everything, env: {}, programs: [], docker: false, terminal: true });
    expect(await resolve(needs.redis, machine)).toMatchObject({ from: 'nowhere' });
    expect(machine.asked).toEqual(['docker', 'question']);
  });

  test('that fails is a reason, with what apt-get said', async () => {
    const machine = machineWith({ mayInstall: true, installs: new Error('apt-get: no space left') });
    const found = await resolve(needs.redis, machine);
    expect('reason' in found && found.reason).toContain('apt-get: no space left');
  });
});

describe('with CI set', () => {
  test('a missing service is a failure that says what to install', async () => {
    const missing = resolve(needs.redis, machineWith({ env: { CI: 'true' } }));
    await expect(missing).rejects.toThrow(/apt-get install redis-server.*CI is set/);
  });

  test('installing is still tried first', async () => {
    const machine = machineWith({ env: { CI: '1' }, mayInstall: true, installs: ['redis-server'] });
    expect(await resolve(needs.redis, machine)).toMatchObject({ from: 'install' });
  });

  test('to false, it is not set', async () => {
    expect(await resolve(needs.redis, machineWith({ env: { CI: 'false' } }))).toMatchObject({
      from: 'nowhere',
    });
  });
});
