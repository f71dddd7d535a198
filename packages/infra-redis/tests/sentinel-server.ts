import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type RunningRedis } from '@vibeonrails/services';

/** What can run as a Sentinel; none where the servers run in docker, and could not be reached by what a Sentinel tells. */
export const program: string | undefined = ['redis-server', 'valkey-server'].find((name) => {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});

/** Starts a Sentinel with the password `sentinel-s3cret` that watches `master`, over TLS where the master speaks it. */
export async function startSentinel(
  { port: watched, tls }: RunningRedis,
  masterPassword: string,
): Promise<{ port: number; stop(): Promise<void> }> {
  if (!program) throw new Error('no redis-server on the PATH');
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'infra-sentinel-'));
  const file = join(folder, 'sentinel.conf');
  const lines = [
    ...(tls
      ? ['port 0', `tls-port ${port}`, 'tls-replication yes', 'tls-auth-clients no']
      : [`port ${port}`]),
    ...(tls ? [`tls-ca-cert-file ${tls.ca}`, `tls-cert-file ${tls.cert}`, `tls-key-file ${tls.key}`] : []),
    'bind 127.0.0.1',
    'requirepass sentinel-s3cret',
    `sentinel monitor mymaster 127.0.0.1 ${watched} 1`,
    `sentinel auth-pass mymaster ${masterPassword}`,
    'sentinel down-after-milliseconds mymaster 800',
    'sentinel failover-timeout mymaster 4000',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const sentinel: ChildProcess = spawn(program, [file, '--sentinel'], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => sentinel.once('exit', () => resolve()));
  return {
    port,
    async stop() {
      sentinel.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
