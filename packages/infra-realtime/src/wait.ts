import type { Clock } from '@vibeonrails/infra-core';

/** Resolves after `ms`, or at once when `signal` aborts. */
export function wait(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal?.addEventListener('abort', done);
  });
}

/** What `work` comes to. Rejects when that takes longer than `ms`, or when `signal` aborts, with its reason. */
export function within<T>(clock: Clock, ms: number, signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    const cancel = clock.after(ms, () => reject(new Error(`there was no answer within ${ms} ms`)));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(() => {
      cancel();
      signal.removeEventListener('abort', onAbort);
    });
  });
}
