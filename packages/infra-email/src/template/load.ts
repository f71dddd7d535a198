import { LibraryError } from '../errors.ts';

/** Work done once, at its first use; a failure is tried again by the next caller. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => {
    done ??= work().catch((error: unknown) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}

/** Loads a library. @throws {@link LibraryError} `E_EMAIL_LIBRARY` when it is not there, or not for this machine. */
export async function library<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw new LibraryError(name, error);
  }
}
