import { LibraryError } from './errors.ts';

/** Work that is done once, and a look at whether it is under way or done. */
export interface Once<T> {
  (): Promise<T>;
  done(): Promise<T> | undefined;
}

/** Work done once, at its first use; a failure is tried again by the next caller. */
export function once<T>(work: () => Promise<T>): Once<T> {
  let done: Promise<T> | undefined;
  const run = (): Promise<T> => {
    done ??= work().catch((error: unknown) => {
      done = undefined;
      throw error;
    });
    return done;
  };
  return Object.assign(run, { done: () => done });
}

/** Loads a library. @throws {@link LibraryError} `E_EMAIL_LIBRARY` when it is not there, or not for this machine. */
export async function library<T>(
  name: string,
  load: () => Promise<T>,
  { neededBy = 'e-mail', install }: { neededBy?: string; install?: string } = {},
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw new LibraryError(name, neededBy, install, error);
  }
}
