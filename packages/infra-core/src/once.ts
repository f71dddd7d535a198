/** Work that is done once, at its first use. */
export interface Once<T> {
  /** Its result: of the work under way or done, else of work that starts now. */
  (): Promise<T>;
  /** The same without starting anything; `undefined` before the first use, and after a failure. */
  done(): Promise<T> | undefined;
}

/**
 * Does `work` at the first call, once however many call meanwhile. A failure is every waiting caller's, and the next
 * call tries again. For what a module loads or opens when it is first used.
 *
 * ```ts
 * const open = once(async () => (await import('./engine.ts')).openEngine(settings));
 * await (await open()).send(message);
 * ```
 */
export function once<T>(work: () => Promise<T>): Once<T> {
  let done: Promise<T> | undefined;
  const run = (): Promise<T> => {
    done ??= work().catch((thrown: unknown) => {
      done = undefined;
      throw thrown;
    });
    return done;
  };
  return Object.assign(run, { done: () => done });
}
