import { type Clock, messageOf } from '@vibeonrails/infra-core';
import type { RedisClient } from '@vibeonrails/infra-redis';
import { CacheClosedError, CacheTimeoutError, CacheUnavailableError } from '../errors.ts';

/** A client of our own from its first connection to the loss of it; it is not used after that. */
export interface Line {
  /** Connects. */
  connect(ms: number): Promise<void>;
  /** Waits for what the client does. Rejects when that takes longer than `ms`, or when the line is lost. */
  within<T>(ms: number, work: () => Promise<T>): Promise<T>;
  /** Waits `ms`. Rejects when the line is lost. */
  rest(ms: number): Promise<void>;
  /** Closes it. */
  drop(): void;
}

/** Watches over `client` until it is lost, or `signal` aborts. */
export function line(client: RedisClient, clock: Clock, signal: AbortSignal): Line {
  let lost: Error | undefined;
  const losers = new Set<(error: Error) => void>();
  const lose = (error: Error): void => {
    lost ??= error;
    for (const tell of losers) tell(lost);
  };
  const onGone = (): void => lose(new CacheUnavailableError('the subscription was cut.'));
  const onAbort = (): void => lose(new CacheClosedError());
  client.on('error', (error) => lose(new CacheUnavailableError(`${messageOf(error)}.`)));
  client.on('close', onGone);
  client.on('end', onGone);
  signal.addEventListener('abort', onAbort, { once: true });

  /** What `begin` settles, unless the line is lost, or `late` settles it after `ms`. */
  const race = <T>(ms: number, begin: (settle: Settle<T>) => void, late: (settle: Settle<T>) => void) =>
    new Promise<T>((resolve, reject) => {
      const end = (): void => {
        cancel();
        losers.delete(settle.reject);
      };
      const settle: Settle<T> = {
        resolve(value) {
          end();
          resolve(value);
        },
        reject(error) {
          end();
          reject(error);
        },
      };
      const cancel = clock.after(ms, () => late(settle));
      losers.add(settle.reject);
      if (lost) settle.reject(lost);
      else begin(settle);
    });

  return {
    connect: (ms) =>
      race<void>(
        ms,
        ({ resolve }) => {
          if (client.status === 'ready') return resolve();
          client.on('ready', () => resolve());
          // Its failure comes as an event.
          if (client.status === 'wait') client.connect().catch(() => undefined);
        },
        ({ reject }) => reject(new CacheTimeoutError(ms)),
      ),
    within: (ms, work) =>
      race(
        ms,
        ({ resolve, reject }) => void work().then(resolve, reject),
        ({ reject }) => reject(new CacheTimeoutError(ms)),
      ),
    rest: (ms) =>
      race<void>(
        ms,
        () => undefined,
        ({ resolve }) => resolve(),
      ),
    drop() {
      signal.removeEventListener('abort', onAbort);
      client.disconnect();
    },
  };
}

interface Settle<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}
