import { type Clock, type InfraError, isInfraError, onShutdown } from '@vibeonrails/infra-core';
import { commandError } from './classify.ts';
import type { RedisClient, RedisConnection } from './client.ts';
import { RedisClosedError, RedisNotReadyError, RedisTimeoutError, RedisUnavailableError } from './errors.ts';
import { type ClientSource, keepClient } from './keeper.ts';
import { handle } from './module.ts';
import { untilReady } from './until-ready.ts';

/** A connection's settings, complete and in milliseconds. */
export interface ConnectionPlan extends ClientSource {
  readonly connectTimeout: number;
  readonly commandTimeout: number | false;
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
      if (!met || met !== keeper.client) await ready();
      const client = await keeper.open();
      return bounded(async () => work(client), client, plan);
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

function bounded<T>(work: () => Promise<T>, client: RedisClient, plan: ConnectionPlan): Promise<T> {
  const { address, commandTimeout, clock } = plan;
  const timeout = commandTimeout === false ? 0 : commandTimeout;
  return new Promise<T>((resolve, reject) => {
    const cancel = timeout
      ? clock.after(timeout, () =>
          reject(
            client.status === 'ready'
              ? new RedisTimeoutError(address, timeout)
              : new RedisUnavailableError(address, `no connection within ${timeout} ms`),
          ),
        )
      : () => undefined;
    work().then(
      (result) => {
        cancel();
        resolve(result);
      },
      (thrown: unknown) => {
        cancel();
        reject(commandError(thrown, { address, timeout, up: client.status === 'ready' }));
      },
    );
  });
}
