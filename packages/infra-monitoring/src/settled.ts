/** Runs `fn` and calls `done` when what it returned has settled. */
export function settled<T>(fn: () => T, done: (error?: { readonly thrown: unknown }) => void): T {
  let result: T;
  try {
    result = fn();
  } catch (thrown) {
    done({ thrown });
    throw thrown;
  }
  if (!isThenable(result)) {
    done();
    return result;
  }
  return result.then(
    (value) => {
      done();
      return value;
    },
    (thrown: unknown) => {
      done({ thrown });
      throw thrown;
    },
  ) as T;
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
