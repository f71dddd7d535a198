import type { RedisClient } from './client.ts';

/** One server, as a client of a cluster has it. */
interface Node extends RedisClient {
  readonly options?: { readonly host?: string; readonly port?: number };
}

/**
 * The servers that hold the keys: the client itself, or the masters of a cluster, always in the same order. For work that
 * goes to one server, such as a SCAN, or to each, such as a PING.
 */
export function mastersOf(client: RedisClient): readonly RedisClient[] {
  if (!client.isCluster) return [client];
  const nodes = (client as RedisClient & { nodes(role: 'master'): Node[] }).nodes('master');
  const name = ({ options }: Node): string => `${options?.host}:${options?.port}`;
  return nodes.sort((a, b) => (name(a) < name(b) ? -1 : 1));
}
