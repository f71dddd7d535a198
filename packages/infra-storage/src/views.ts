import type { FileInfo } from './driver.ts';
import { StorageReadOnlyError } from './errors.ts';
import type { DeleteReport, Files } from './files.ts';
import { checkKey, checkPrefix } from './input.ts';

/** `files` below `prefix`, with keys relative to it. @throws `E_STORAGE_PREFIX` or `E_STORAGE_KEY` */
export function scoped(files: Files, prefix: string): Files {
  checkPrefix(prefix);
  // Checked before the prefix goes in front: a key that climbs out is refused as it is.
  const full = (key: string): string => prefix + checkKey(key);
  const relative = <T extends { readonly key: string }>(file: T): T => ({
    ...file,
    key: file.key.slice(prefix.length),
  });
  const report = ({ deleted, failed }: DeleteReport): DeleteReport => ({
    deleted: deleted.map((key) => key.slice(prefix.length)),
    failed: failed.map(relative),
  });

  const view: Files = {
    put: async (key, body, options) => relative(await files.put(full(key), body, options)),
    async get(key, options) {
      const file = await files.get(full(key), options);
      return Object.defineProperty(file, 'info', { value: relative(file.info), enumerable: true });
    },
    async info(key) {
      const info: FileInfo | undefined = await files.info(full(key));
      return info && relative(info);
    },
    exists: async (key) => files.exists(full(key)),
    list(options = {}) {
      const { prefix: inner = '', after, ...rest } = options;
      const whole = (): ReturnType<Files['list']> =>
        files.list({
          ...rest,
          prefix: prefix + (inner && checkPrefix(inner)),
          ...(after === undefined ? {} : { after: full(after) }),
        });
      return {
        async page(next) {
          const page = await whole().page(next);
          const prefixes = page.prefixes.map((found) => found.slice(prefix.length));
          return { ...page, files: page.files.map(relative), prefixes };
        },
        async *[Symbol.asyncIterator]() {
          for await (const file of whole()) yield relative(file);
        },
      };
    },
    copy: async (from, to, options) => relative(await files.copy(full(from), full(to), options)),
    move: async (from, to, options) => relative(await files.move(full(from), full(to), options)),
    delete: async (key) => files.delete(full(key)),
    deleteMany: async (keys, options) => report(await files.deleteMany(Array.from(keys, full), options)),
    deletePrefix: async (inner, options) =>
      report(await files.deletePrefix(prefix + checkPrefix(inner), options)),
    signedUrl: async (key, options) => files.signedUrl(full(key), options),
    signedUpload: async (key, options) => files.signedUpload(full(key), options),
    scope: (inner) => scoped(view, inner),
    readOnly: () => readOnly(view),
  };
  return view;
}

/** `files` without its writes. */
export function readOnly(files: Files): Files {
  const refuse = (operation: string) => async (): Promise<never> => {
    throw new StorageReadOnlyError(operation);
  };
  const view: Files = {
    get: files.get,
    info: files.info,
    exists: files.exists,
    list: files.list,
    signedUrl: files.signedUrl,
    put: refuse('put'),
    copy: refuse('copy'),
    move: refuse('move'),
    delete: refuse('delete'),
    deleteMany: refuse('delete'),
    deletePrefix: refuse('delete'),
    signedUpload: refuse('sign an upload'),
    scope: (prefix) => scoped(view, prefix),
    readOnly: () => view,
  };
  return view;
}
