import { StorageLibraryError } from './errors.ts';

/** Work that is done once, and a look at whether it is under way or done. */
export interface Once<T> {
  (): Promise<T>;
  done(): Promise<T> | undefined;
}

/** Work done once, at its first use; a failure is tried again by the next caller. */
export function once<T>(work: () => Promise<T>): Once<T> {
  let done: Promise<T> | undefined;
  const run = (): Promise<T> => {
    done ??= work().catch((err: unknown) => {
      done = undefined;
      throw err;
    });
    return done;
  };
  return Object.assign(run, { done: () => done });
}

/** Loads a library, or a part of this package. @throws {@link StorageLibraryError} `E_STORAGE_LIBRARY` when it cannot be */
export async function library<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new StorageLibraryError(name, cause);
  }
}
