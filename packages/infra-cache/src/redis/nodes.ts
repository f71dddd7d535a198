import type { RedisClient } from '@vibeonrails/infra-redis';

/** A client of a cluster, as far as its nodes go. */
interface ClusterClient extends RedisClient {
  nodes(role: 'master'): RedisClient[];
}

/** The servers that hold the entries: the client itself, or the masters of a cluster. */
export function masters(client: RedisClient): RedisClient[] {
  return client.isCluster ? (client as ClusterClient).nodes('master') : [client];
}

/** Text that a pattern of SCAN takes literally. */
export const literally = (text: string): string => text.replace(/[\\*?[\]]/g, '\\$&');
