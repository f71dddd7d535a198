/** The names a channel has in Redis. All share its hash tag, and so its slot of a cluster. */
export interface RedisNames {
  /** What is subscribed to. */
  channel(name: string): string;
  /** The channel of such a name. */
  read(redisChannel: string): string;
  /** The keys of presence: leases, members, and the connections of a process. */
  presence(name: string, process: string): [leases: string, members: string, mine: string];
}

/** Makes the names within a namespace. */
export function redisNames(namespace: string): RedisNames {
  const start = `${namespace}:{`;
  return {
    channel: (name) => `${start}${name}}`,
    read: (redisChannel) => redisChannel.slice(start.length, -1),
    presence(name, process) {
      const key = `${start}${name}}`;
      return [`${key}:leases`, `${key}:members`, `${key}:of:${process}`];
    },
  };
}
