import { createStorage, type Storage, type StorageOptions } from './client.ts';
import { defineModule, type ModuleHandle } from './core.ts';
import { VERSION } from './version.ts';

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
