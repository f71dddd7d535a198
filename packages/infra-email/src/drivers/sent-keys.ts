import { type Clock, isInfraError } from '../core.ts';
import type { SendReceipt } from '../driver.ts';
import { IdempotencyConflictError } from '../errors.ts';

interface Entry {
  readonly digest: string;
  readonly at: number;
  /** Settles with what came of it, and never rejects. */
  readonly done: Promise<{ receipt: SendReceipt } | { error: unknown }>;
}

const MOST = 10_000;
const A_DAY = 24 * 60 * 60 * 1000;

/** Sends one message per key, for a transport that cannot tell a second one. */
export type OncePerKey = (
  key: string,
  digest: string,
  signal: AbortSignal,
  send: () => Promise<SendReceipt>,
) => Promise<SendReceipt>;

/** Remembers the last 10,000 keys of this process, each for a day. */
export function oncePerKey(clock: Clock): OncePerKey {
  const entries = new Map<string, Entry>();

  return async function sendOnce(key, digest, signal, send): Promise<SendReceipt> {
    for (;;) {
      signal.throwIfAborted();
      const former = entries.get(key);
      if (!former || clock.now() - former.at > A_DAY) break;
      if (former.digest !== digest) throw new IdempotencyConflictError(key);
      const outcome = await former.done;
      if ('receipt' in outcome) return outcome.receipt;
      if (entries.get(key) === former) throw outcome.error;
    }
    const sending = send();
    const done = sending.then(
      (receipt) => ({ receipt }),
      (error: unknown) => {
        // Some have got it: another try would send it to them again.
        if (!isInfraError(error, 'E_EMAIL_PARTIAL') && entries.get(key)?.done === done) entries.delete(key);
        return { error };
      },
    );
    entries.delete(key);
    entries.set(key, { digest, at: clock.now(), done });
    const oldest = entries.size > MOST ? entries.keys().next().value : undefined;
    if (oldest !== undefined) entries.delete(oldest);
    return sending;
  };
}
