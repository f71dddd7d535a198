import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type RunningRedis, service } from '@vibeonrails/services';
import { vi } from 'vitest';

const SLOTS = 16_384;
const MASTERS = 3;

/** A cluster whose nodes talk to clients and to each other over TLS alone, and the authorities to trust. */
export interface TlsCluster {
  readonly nodes: readonly RunningRedis[];
  readonly ca: string;
  stop(): Promise<void>;
}

/** Starts one. Each node makes a certificate of its own; all of them are then told to trust all. */
export async function startTlsCluster(): Promise<TlsCluster> {
  const found = await service('redis', { own: true });
  if (!found.available) throw new Error(found.reason);
  const buses = await Promise.all(Array.from({ length: MASTERS }, () => freePort()));
  const started = await Promise.allSettled(
    buses.map((bus) => {
      const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--tls-cluster', 'yes'];
      return found.start({ tls: true, args: [...cluster, '--cluster-node-timeout', '5000'] });
    }),
  );
  const nodes = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    const failed = started.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
    const ca = join(nodes[0]?.dir ?? '', 'all.pem');
    writeFileSync(ca, nodes.map(({ tls }) => readFileSync(tls?.ca ?? '', 'utf8')).join(''));
    await meet(nodes, buses, ca);
    return { nodes, ca, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function meet(nodes: readonly RunningRedis[], buses: readonly number[], ca: string): Promise<void> {
  for (const node of nodes) await node.command('CONFIG', 'SET', 'tls-ca-cert-file', ca);
  for (const [index, node] of nodes.entries()) {
    const share = SLOTS / nodes.length;
    const range = [Math.ceil(index * share), Math.ceil((index + 1) * share) - 1].map(String);
    await node.command('CLUSTER', 'ADDSLOTSRANGE', ...range);
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
    if (index > 0)
      await node.command('CLUSTER', 'MEET', '127.0.0.1', String(nodes[0]?.port), String(buses[0]));
  }
  await vi.waitFor(
    async () => {
      for (const node of nodes) {
        const info = await node.command('CLUSTER', 'INFO');
        if (!/cluster_state:ok/.test(info) || !info.includes(`cluster_known_nodes:${nodes.length}`))
          throw new Error(`the nodes do not agree: ${info}`);
      }
    },
    { timeout: 40_000, interval: 50 },
  );
}
