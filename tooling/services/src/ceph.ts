import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Launch } from './owned-process.ts';

const run = promisify(execFile);

/**
 * The file alone configures: a client that first asks the monitor for more forgets meanwhile which cluster it is of,
 * and is at times refused for a wrong fsid. The `ceph` command asks all the same, hence is itself asked again.
 */
const env = { ...process.env, CEPH_ARGS: '--no-mon-config' };

/** What one small Ceph is made of. */
export interface CephOptions {
  readonly dir: string;
  /** Paths of the programs by name. */
  readonly programs: Readonly<Record<string, string>>;
  readonly port: number;
  readonly monitorPort: number;
}

/** Ceph's daemons, which are started in this order, and the steps between them. */
export interface Ceph {
  readonly monitor: Launch;
  readonly store: Launch;
  readonly gateway: Launch;
  monitorAnswers(): Promise<boolean>;
  /** Tells the monitor of the store, which it would otherwise turn away. To be asked until it says yes. */
  storeIsAdded(): Promise<boolean>;
  storeIsUp(): Promise<boolean>;
  createUser(accessKeyId: string, secretAccessKey: string): Promise<void>;
}

/** Lays out the folders and files of a Ceph with one monitor, one store in memory and one S3 gateway. */
export async function prepareCeph(options: CephOptions): Promise<Ceph> {
  const { dir, monitorPort } = options;
  const cluster = randomUUID();
  const store = randomUUID();
  const configFile = join(dir, 'ceph.conf');
  const monitors = join(dir, 'monmap');
  await Promise.all(['mon', 'osd', 'rgw'].map((name) => mkdir(join(dir, name))));
  await writeFile(configFile, configuration(options, cluster));
  const program = (name: string): string => options.programs[name] ?? name;
  const config = ['-c', configFile];
  const ceph = async (name: string, ...args: string[]): Promise<string> =>
    (await run(program(name), args, { timeout: 60_000, killSignal: 'SIGKILL', cwd: dir, env })).stdout;
  const daemon = (name: string, args: readonly string[]): Launch => ({
    name,
    file: program(name),
    args: [...config, ...args, '-f'],
    dir,
    env,
  });

  const address = `[v1:127.0.0.1:${monitorPort}]`;
  await ceph('monmaptool', '--create', '--fsid', cluster, '--addv', 'a', address, monitors);
  await Promise.all([
    ceph('ceph-mon', ...config, '--mkfs', '-i', 'a', '--monmap', monitors),
    ceph('ceph-osd', ...config, '--mkfs', '-i', '0', '--osd-uuid', store),
  ]);
  return {
    monitor: daemon('ceph-mon', ['-i', 'a']),
    store: daemon('ceph-osd', ['-i', '0']),
    gateway: daemon('radosgw', ['-n', 'client.rgw']),
    monitorAnswers: async () => await accepts(monitorPort),
    storeIsAdded: async () => await succeeds(ceph('ceph', ...config, 'osd', 'new', store)),
    storeIsUp: async () => {
      const state = await ceph('ceph', ...config, 'osd', 'stat').catch(() => '');
      return state.includes('1 up');
    },
    createUser: async (accessKeyId, secretAccessKey) => {
      const keys = ['--access-key', accessKeyId, '--secret-key', secretAccessKey];
      const user = ['user', 'create', '--uid', 'test', '--display-name', 'test', ...keys];
      await ceph('radosgw-admin', ...config, '-n', 'client.rgw', ...user);
    },
  };
}

function configuration({ dir, port, monitorPort }: CephOptions, cluster: string): string {
  return `[global]
fsid = ${cluster}
mon host = v1:127.0.0.1:${monitorPort}
monmap = ${join(dir, 'monmap')}
public addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
# One copy of everything, on the one store there is.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
# Every pool that the gateway creates waits for the monitor's next proposal: do not make it a second.
paxos propose interval = 0.02
run dir = ${dir}
log file =
log to stderr = true
mon cluster log to file = false
admin socket =
mon data = ${join(dir, 'mon')}
osd data = ${join(dir, 'osd')}
osd objectstore = memstore
memstore device bytes = 4294967296
# A test may freeze the machine's two cores for longer than the default grace of 20 s.
osd heartbeat grace = 60
[mon.a]
host = localhost
[client.rgw]
# Without tcp_nodelay every small GET waits 40 ms for an acknowledgement.
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw thread pool size = 64
rgw data = ${join(dir, 'rgw')}
`;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  return await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}

async function succeeds(work: Promise<unknown>): Promise<boolean> {
  return await work.then(
    () => true,
    () => false,
  );
}
