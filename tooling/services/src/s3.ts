import { randomBytes } from 'node:crypto';
import { prepareCeph } from './ceph.ts';
import { newFolder, removeFolder } from './folders.ts';
import { freePort, withFreshPorts } from './ports.ts';
import type { Found } from './resolve.ts';
import { extend, foreignServer, type ServerControl, startServer } from './server.ts';

/** An S3 server that answers. Its control is the gateway's: objects live on when that is killed and restarted. */
export interface RunningS3 extends ServerControl {
  /** `http://127.0.0.1:<port>`. A bucket is part of the path, not of the host name. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Its folder; undefined when it is not ours. */
  readonly dir: string | undefined;
}

const region = 'us-east-1';

/**
 * Starts Ceph's RADOS gateway on a free port of 127.0.0.1, with one monitor and one store in memory behind it.
 *
 * @throws an Error with the end of a daemon's log when it does not come up.
 */
export async function startS3(found: Found): Promise<RunningS3> {
  if (found.from === 'environment') return await foreignS3(found.values);
  if (found.from === 'docker') throw new Error('S3 has no docker image here');
  const { programs } = found;
  return await withFreshPorts(async () => await launchInFolder(programs));
}

async function launchInFolder(programs: Readonly<Record<string, string>>): Promise<RunningS3> {
  const dir = await newFolder('s3');
  const started: ServerControl[] = [];
  const cleanup = async (): Promise<void> => {
    for (const control of started.splice(0).reverse()) await control.stop();
    await removeFolder(dir);
  };
  try {
    return await launchS3(programs, dir, started, cleanup);
  } catch (error) {
    await cleanup();
    throw error;
  }
}

async function launchS3(
  programs: Readonly<Record<string, string>>,
  dir: string,
  started: ServerControl[],
  cleanup: () => Promise<void>,
): Promise<RunningS3> {
  const [port, monitorPort] = [await freePort(), await freePort()];
  const ceph = await prepareCeph({ dir, programs, port, monitorPort });
  const behind = { timeout: 30_000, cleanup: async () => {} };
  const monitor = await startServer({
    ...behind,
    launch: () => ceph.monitor,
    isReady: async () => (await ceph.monitorAnswers()) && (await ceph.storeIsAdded()),
  });
  started.push(monitor);
  const store = await startServer({ ...behind, launch: () => ceph.store, isReady: () => ceph.storeIsUp() });
  started.push(store);
  const endpoint = `http://127.0.0.1:${port}`;
  const gateway = await startServer({
    launch: () => ceph.gateway,
    isReady: async () => await answers(endpoint),
    timeout: 60_000,
    cleanup,
  });
  const keys = {
    accessKeyId: randomBytes(10).toString('hex'),
    secretAccessKey: randomBytes(20).toString('hex'),
  };
  await ceph.createUser(keys.accessKeyId, keys.secretAccessKey).catch(async (error: unknown) => {
    await gateway.stop();
    throw error;
  });
  return extend(gateway, { endpoint, region, dir, ...keys });
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    const response = await fetch(endpoint, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.status < 500;
  } catch {
    return false;
  }
}

async function foreignS3(values: Readonly<Record<string, string>>): Promise<RunningS3> {
  const endpoint = values.TEST_S3_ENDPOINT ?? '';
  if (!(await answers(endpoint))) throw new Error(`TEST_S3_ENDPOINT does not answer: ${endpoint}`);
  return extend(foreignServer('the server of TEST_S3_ENDPOINT'), {
    endpoint,
    region: values.TEST_S3_REGION ?? region,
    accessKeyId: values.TEST_S3_ACCESS_KEY_ID ?? '',
    secretAccessKey: values.TEST_S3_SECRET_ACCESS_KEY ?? '',
    dir: undefined,
  });
}
