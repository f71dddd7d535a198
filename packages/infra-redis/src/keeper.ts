import type { RedisClient } from './client.ts';

/** Where a connection's client comes from, and whose it is. */
export interface ClientSource {
  readonly name: string;
  readonly address: string;
  /** True when the client is ours to close; the application's own never is. */
  readonly owned: boolean;
  make(): Promise<RedisClient>;
}

/** Holds one client: makes it when it is first wanted, and anew after it was dropped. */
export interface ClientKeeper {
  readonly client: RedisClient | undefined;
  open(): Promise<RedisClient>;
  /** Forgets the client, and closes it where it is ours. */
  drop(): void;
}

/** Makes a {@link ClientKeeper}. Once `signal` aborts, a client that comes late is dropped and its reason thrown. */
export function keepClient(source: ClientSource, signal: AbortSignal): ClientKeeper {
  let opening: Promise<RedisClient> | undefined;
  let client: RedisClient | undefined;
  let unwatch = (): void => undefined;

  const drop = (): void => {
    const former = client;
    opening = undefined;
    client = undefined;
    unwatch();
    if (!former || !source.owned) return;
    // What it still says on its way out is of no use to anybody.
    former.on('error', () => undefined);
    former.disconnect();
  };
  const make = async (): Promise<RedisClient> => {
    try {
      const { watch } = await import('./engine.ts');
      const made = await source.make();
      client = made;
      unwatch = watch(made, { ...source, onUnusable: drop });
      if (signal.aborted) drop();
      signal.throwIfAborted();
      return made;
    } catch (thrown) {
      opening = undefined;
      throw thrown;
    }
  };
  return {
    get client() {
      return client;
    },
    open() {
      opening ??= make();
      return opening;
    },
    drop,
  };
}
