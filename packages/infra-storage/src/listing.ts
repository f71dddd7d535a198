import { operation } from './core.ts';
import type { ListedFile, StorageDriver } from './driver.ts';
import type { Listing, ListOptions, ListPage } from './files.ts';
import { checkKey, checkPrefix } from './input.ts';
import { checkLimit } from './options.ts';

const lists = operation('storage.list');

/** The most entries an object store puts on one page. */
const PAGE = 1000;

/** The listing of a driver's files; `use` gives the driver, or throws when the storage is closed. */
export function listing(use: () => StorageDriver, options: ListOptions): Listing {
  const page = async (token: string | undefined, most: number): Promise<ListPage> => {
    const { prefix = '', after, signal } = options;
    if (prefix !== '') checkPrefix(prefix);
    if (after !== undefined) checkKey(after);
    signal?.throwIfAborted();
    const limit = Math.min(most, PAGE);
    const folders = options.delimiter === '/';
    const driver = use();
    const { next, ...found } = await lists.trace(
      () => driver.list({ prefix, folders, limit, after, token, signal }),
      { driver: driver.name, prefix },
    );
    return { ...found, ...(next === undefined ? {} : { next }) };
  };

  async function* iterate(): AsyncGenerator<ListedFile> {
    let left = checkLimit(options);
    for (
      let next: string | undefined, first = true;
      left > 0 && (first || next !== undefined);
      first = false
    ) {
      const found = await page(next, left);
      yield* found.files;
      left -= found.files.length;
      next = found.next;
    }
  }

  return {
    page: async (next) => page(next, checkLimit(options)),
    [Symbol.asyncIterator]: iterate,
  };
}
