import { defineModule, type ModuleHandle } from '@vibeonrails/infra-core';
import { createQueue, type Queue, type QueueOptions } from './queue.ts';
import { VERSION } from './version.ts';

/** The default queue of this process. */
export const handle: ModuleHandle<Queue, QueueOptions> = defineModule<Queue, QueueOptions>({
  module: 'queue',
  package: '@vibeonrails/infra-queue',
  version: VERSION,
  contract: 1,
  create: (options) => createQueue(options),
  healthCheck: (queue) => queue.health(),
});
