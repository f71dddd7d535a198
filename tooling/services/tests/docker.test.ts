import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type RunningRedis, service } from '../src/index.ts';
import { type Machine, thisMachine, which } from '../src/machine.ts';
import { describeWith } from '../src/vitest.ts';

/** Takes the calls that we make of docker, and runs the server as a plain process in the container's stead. */
const standIn = (folder: string, server: string) => `#!/bin/sh
echo "$@" >> ${folder}/calls
case "$1" in
  image) exit 1 ;;
  kill) kill -s "\${3#SIG}" "$(cat "${folder}/$4")" ;;
  run)
    while [ "$1" != redis:7 ]; do [ "$1" = --name ] && name=$2; shift; done
    shift 2
    echo $$ > "${folder}/$name"
    exec ${server} "$@" --bind 127.0.0.1 ;;
esac
`;

describeWith('redis', 'a Redis by docker', { own: true }, () => {
  let folder: string;
  let redis: RunningRedis;
  const calls = async () => await readFile(join(folder, 'calls'), 'utf8');

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'infra-docker-'));
    const server = which('redis-server') ?? which('valkey-server') ?? '';
    await writeFile(join(folder, 'docker'), standIn(folder, server), { mode: 0o755 });
    process.env.PATH = `${folder}:${process.env.PATH}`;
    const machine: Machine = {
      ...thisMachine,
      env: {},
      which: () => undefined,
      dockerRuns: async () => true,
    };
    vi.spyOn(process.stderr, 'write').mockReturnValueOnce(true);
    const found = await service('redis', {}, machine);
    if (!found.available) throw new Error(found.reason);
    redis = await found.start({ appendonly: true });
  });
  afterAll(async () => {
    await redis?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('pulls an image that is not there, and publishes the port on 127.0.0.1 alone', async () => {
    expect(await calls()).toMatch(/^image inspect redis:7\npull --quiet redis:7\nrun --rm /);
    expect(await calls()).toContain(`--publish 127.0.0.1:${redis.port}:${redis.port}`);
    expect(await redis.command('PING')).toBe('PONG');
  });

  test('sends signals to the container, whose data outlive it', async () => {
    await redis.command('SET', 'kept', 'yes');
    await redis.kill();
    expect(await calls()).toContain('kill --signal SIGKILL infra-services-');
    await redis.restart();
    expect(await redis.command('GET', 'kept')).toBe('yes');
  });
});
