import { cleanCause, fatalError, wordsOf } from './classify.ts';
import type { RedisClient } from './client.ts';
import type { Clock } from './core.ts';
import { RedisConnectError } from './errors.ts';

/** How to wait. */
export interface WaitOptions {
  readonly address: string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly clock: Clock;
  /** Ends the wait; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** Resolves when a client is ready; rejects at once with what trying again will not mend, else after the timeout. */
export function untilReady(
  client: RedisClient,
  { address, timeout, clock, signal }: WaitOptions,
): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    let last: unknown;
    const end = (settle: () => void): void => {
      cancel();
      for (const [event, listener] of listeners) client.off(event, listener);
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = (): void => end(() => reject(signal.reason));
    const onError = (error: unknown): void => {
      last = error;
      const fatal = fatalError(error, address);
      if (fatal) end(() => reject(fatal));
    };
    const why = (): string => (last === undefined ? 'it gives no answer' : wordsOf(last));
    const giveUp = (problem: string): void =>
      end(() => reject(new RedisConnectError(address, problem, cleanCause(last))));
    const listeners: [string, (error: unknown) => void][] = [
      ['ready', () => end(resolve)],
      ['error', onError],
      // Trying has ended for good, as with a certificate that is no certificate.
      ['end', () => giveUp(why())],
    ];
    const cancel = clock.after(timeout, () => giveUp(`not ready after ${timeout} ms, ${why()}`));
    for (const [event, listener] of listeners) client.on(event, listener);
    signal.addEventListener('abort', onAbort, { once: true });
    // A first attempt that fails is followed by others; its error comes as an event.
    if (client.status === 'wait')
      client.connect().catch((error) => {
        last ??= error;
      });
  });
}
