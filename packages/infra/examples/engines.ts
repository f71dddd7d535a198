// The same application on engines: starts the servers, and beside them two web processes and a worker that differ from
// the embedded run by environment variables alone.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStorage } from '@vibeonrails/infra/storage';
import { environmentOf, type ServiceKind, service } from '@vibeonrails/services';

/** Which engines to run on. */
export interface Engines {
  redis: boolean;
  s3: boolean;
  uws: boolean;
}

type Env = Record<string, string>;

/** Starts servers and processes, and stops all of them on Ctrl-C: the processes drain first, then the servers go. */
export async function runOnEngines(engines: Engines, port: number | undefined): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'infra-demo-'));
  const servers: { stop(): Promise<void> }[] = [];
  const env: Env = {
    STORAGE_DIR: join(folder, 'storage'),
    EMAIL_OUTBOX: join(folder, 'outbox'),
    OPS_PORT: '0',
  };
  const children: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(ended));
    for (const server of servers) await server.stop();
    process.exitCode = children.some((child) => child.exitCode !== 0) ? 1 : 0;
  };
  try {
    if (engines.redis) Object.assign(env, await start('redis', servers));
    if (engines.s3) Object.assign(env, await start('s3', servers), { S3_BUCKET: 'demo' });
    if (engines.s3) await createStorage({ env }).ensureBucket();
    if (engines.uws) env.REALTIME_ENGINE = 'uws';
  } catch (error) {
    await stop();
    throw error;
  }

  // In memory the queue belongs to one process; on Redis processes share it.
  const roles = engines.redis
    ? [
        ['--role', 'web'],
        ['--role', 'web'],
        ['--role', 'worker'],
      ]
    : [[]];
  for (const [i, role] of roles.entries()) {
    const listen = i === 0 && port !== undefined ? ['--port', String(port)] : [];
    children.push(
      spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...role, ...listen], {
        env: { ...process.env, ...env },
        // A group of its own, so that Ctrl-C reaches it once, through us; and a channel that tells it should we die.
        detached: true,
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      }),
    );
  }
  let stopping = false;
  const end = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    for (const child of children) child.kill(signal);
    void stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, end);
  for (const child of children) child.once('exit', (code) => code !== 0 && !stopping && end('SIGTERM'));
}

async function start(
  kind: ServiceKind & ('redis' | 's3'),
  servers: { stop(): Promise<void> }[],
): Promise<Env> {
  console.log(`  starting ${kind} …`);
  const found = await service(kind);
  if (!found.available) throw new Error(found.reason);
  const running = await found.start();
  servers.push(running);
  return environmentOf(running);
}

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};
