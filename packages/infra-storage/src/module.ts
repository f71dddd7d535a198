import { createStorage, type Storage, type StorageOptions } from './client.ts';
import { defineModule, type HealthCheck, type ModuleHandle } from './core.ts';
import { readOnly, scoped } from './views.ts';

/** The version in package.json. */
export const VERSION = '1.0.0';

/** The default storage of this process. */
export const handle: ModuleHandle<Storage, StorageOptions> = defineModule<Storage, StorageOptions>({
  module: 'storage',
  package: '@vibeonrails/infra-storage',
  version: VERSION,
  contract: 1,
  create: createStorage,
  async healthCheck(storage, signal) {
    await storage.ping({ signal });
    return { status: 'ok', data: { driver: storage.driver } };
  },
});

const it = (): Storage => handle.instance();

/** The default storage, made from the environment at first use. Its scopes and handlers follow a replaced one. */
export const storage: Storage = {
  get driver() {
    return it().driver;
  },
  ready: async () => it().ready(),
  close: async () => it().close(),
  ping: async (options) => it().ping(options),
  ensureBucket: async () => it().ensureBucket(),
  sweepUploads: async (options) => it().sweepUploads(options),
  put: async (key, body, options) => it().put(key, body, options),
  get: async (key, options) => it().get(key, options),
  info: async (key) => it().info(key),
  exists: async (key) => it().exists(key),
  list: (options) => ({
    page: async (next) => it().list(options).page(next),
    [Symbol.asyncIterator]: () => it().list(options)[Symbol.asyncIterator](),
  }),
  copy: async (from, to, options) => it().copy(from, to, options),
  move: async (from, to, options) => it().move(from, to, options),
  delete: async (key) => it().delete(key),
  deleteMany: async (keys, options) => it().deleteMany(keys, options),
  deletePrefix: async (prefix, options) => it().deletePrefix(prefix, options),
  signedUrl: async (key, options) => it().signedUrl(key, options),
  signedUpload: async (key, options) => it().signedUpload(key, options),
  scope: (prefix) => scoped(storage, prefix),
  readOnly: () => readOnly(storage),
  handler: () => async (request) => it().handler()(request),
};

/**
 * Makes the default storage from `options`, before its first use.
 *
 * @throws {@link AlreadyConfiguredError} `E_STORAGE_CONFIGURED` when it is in use, unless `replace` is true.
 */
export function configureStorage(options: StorageOptions & { replace?: boolean }): Storage {
  return handle.configure(options);
}

/** Checks the default storage: writes, reads and removes a few bytes. For `registerHealthCheck('storage', storageHealthCheck())`. */
export function storageHealthCheck(): HealthCheck {
  return handle.healthCheck;
}
