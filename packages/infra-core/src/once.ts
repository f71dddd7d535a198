/** Work that is done once, at its first use. */
export interface Once<T> {
  /** Its result: of the work under way or done, else of work that starts now. */
  (): Promise<T>;
  /** The same without starting anything; `undefined` before the first use, and after a failure. */
  done(): Promise<T> | undefined;
  /** Calls `fn` with the result: those who wait for it in the order they came, and once it is there without a wait. */
  use<R>(fn: (result: T) => Promise<R>): Promise<R>;
}

/**
 * Does `work` at the first call, once however many call meanwhile. A failure is every waiting caller's, and the next
 * call tries again. For what a module loads or opens when it is first used.
 *
 * ```ts
 * const open = once(async () => (await import('./engine.ts')).openEngine(settings));
 * const send = (message: Message) => open.use((engine) => engine.send(message));
 * ```
 */
export function once<T>(work: () => Promise<T>): Once<T> {
  let done: Promise<T> | undefined;
  let result: { readonly value: T } | undefined;
  let waiting = 0;
  const start = async (): Promise<T> => {
    try {
      const value = await work();
      result = { value };
      return value;
    } catch (thrown) {
      done = undefined;
      throw thrown;
    }
  };
  const run = (): Promise<T> => {
    done ??= start();
    return done;
  };
  return Object.assign(run, {
    done: () => done,
    use<R>(fn: (result: T) => Promise<R>): Promise<R> {
      // Nobody overtakes those who came while there was nothing yet.
      if (result && waiting === 0) return fn(result.value);
      waiting += 1;
      return run().then(
        (value) => {
          waiting -= 1;
          return fn(value);
        },
        (thrown: unknown) => {
          waiting -= 1;
          throw thrown;
        },
      );
    },
  });
}
