import type { RedisClient, RedisConnection } from './client.ts';
import { atDeadline, type Clock, type InfraError, isInfraError, onShutdown } from './core.ts';
import { RedisClosedError, RedisNotReadyError, RedisTimeoutError, RedisUnavailableError } from './errors.ts';
import { handle } from './module.ts';

/** Where a connection's client comes from, and whose it is. */
interface ClientSource {
  readonly name: string;
  readonly address: string;
  /** True when the client is ours to close; the application's own never is. */
  readonly owned: boolean;
  make(): Promise<RedisClient>;
}

/** A connection's settings, complete and in milliseconds. */
export interface ConnectionPlan extends ClientSource {
  readonly connectTimeout: number;
  readonly commandTimeout: number | false;
  /** The time of a command counts from the call, and nothing waits for a connection that is known to be down. */
  readonly failFast: boolean;
  readonly clock: Clock;
  duplicate(name?: string): RedisConnection;
  /** Finds a better reason for a connection that never got ready. */
  diagnose?(): Promise<InfraError | undefined>;
}

const QUIT_TIME = 1000;

/** Makes a connection, registers it for shutdown and among those that are open. */
export function connection(plan: ConnectionPlan): RedisConnection {
  const { name, address, clock } = plan;
  const closing = new AbortController();
  const { signal } = closing;
  const keeper = keepClient(plan, signal);
  let closed: Promise<void> | undefined;
  /** The client whose first wait is over: from then on a server that is away costs a command no more than its own time. */
  let met: RedisClient | undefined;

  const ready = async (): Promise<void> => {
    signal.throwIfAborted();
    const client = await keeper.open();
    const { untilReady } = await import('./engine.ts');
    try {
      await untilReady(client, { address, timeout: plan.connectTimeout, clock, signal });
      met = client;
    } catch (thrown) {
      const error = (isInfraError(thrown, 'E_REDIS_CONNECT') && (await plan.diagnose?.())) || thrown;
      if (isInfraError(error, 'E_REDIS_CONNECT') && client.status !== 'end') met = client;
      else if (keeper.client === client) keeper.drop();
      throw error;
    }
  };

  /** The client, once its first wait is over. */
  const meet = async (): Promise<RedisClient> => {
    if (!met || met !== keeper.client) await ready();
    return keeper.open();
  };

  /** What `work` comes to, within the time of a command. */
  function bounded<T>(work: (isOver: () => boolean) => Promise<T>): Promise<T> {
    const timeout = plan.commandTimeout === false ? 0 : plan.commandTimeout;
    const isUp = (): boolean => keeper.client?.status === 'ready';
    return new Promise<T>((resolve, reject) => {
      let over = false;
      const onTimeout = (): void => {
        over = true;
        reject(
          isUp()
            ? new RedisTimeoutError(address, timeout)
            : new RedisUnavailableError(address, `no connection within ${timeout} ms`),
        );
      };
      const cancel = timeout ? atDeadline(clock, timeout, onTimeout) : () => undefined;
      work(() => over)
        .finally(cancel)
        .then(resolve, async (thrown: unknown) => {
          const { commandError } = await import('./engine.ts');
          reject(commandError(thrown, { address, timeout, up: isUp() }));
        });
    });
  }

  async function close(): Promise<void> {
    closing.abort(new RedisClosedError(address));
    forgetHook();
    handle.instance().open.delete(self);
    const { client } = keeper;
    if (client?.status === 'ready' && plan.owned) await quit(client, clock);
    keeper.drop();
  }

  const self: RedisConnection = {
    name,
    address,
    get client() {
      signal.throwIfAborted();
      if (!keeper.client) throw new RedisNotReadyError(address);
      return keeper.client;
    },
    ready,
    async run(work) {
      signal.throwIfAborted();
      if (plan.failFast)
        return bounded(async (isOver) => {
          const client = await meet();
          if (isOver() || client.status !== 'ready')
            throw new RedisUnavailableError(address, 'the connection is down');
          return work(client);
        });
      const client = await meet();
      return bounded(async () => work(client));
    },
    duplicate: plan.duplicate,
    close() {
      closed ??= close();
      return closed;
    },
  };
  const forgetHook = onShutdown(`redis ${name}`, () => self.close());
  handle.instance().open.add(self);
  return self;
}

/** Lets the replies under way come in, for a moment: a blocking command may have none for hours. */
function quit(client: RedisClient, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(QUIT_TIME, resolve);
    const done = (): void => {
      cancel();
      resolve();
    };
    client.quit().then(done, done);
  });
}

/** Holds one client: makes it when it is first wanted, and anew after it was dropped. */
interface ClientKeeper {
  readonly client: RedisClient | undefined;
  open(): Promise<RedisClient>;
  /** Forgets the client, and closes it where it is ours. */
  drop(): void;
}

/** Makes a {@link ClientKeeper}. Once `signal` aborts, a client that comes late is dropped and its reason thrown. */
function keepClient(source: ClientSource, signal: AbortSignal): ClientKeeper {
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
