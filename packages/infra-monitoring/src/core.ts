import { logger } from '@vibeonrails/infra-core';

// One door to core for every file that loads with the root: Node resolves a package's name anew for each file that
// imports it, and that took half the time of the whole import.
export {
  bool,
  contextStorage,
  defineConfig,
  defineModule,
  extract,
  InfraError,
  inject,
  int,
  oneOf,
  onShutdown,
  secret,
  serviceName,
  slot,
  subscribeOperation,
  systemClock,
  text,
  toMs,
  url,
} from '@vibeonrails/infra-core';

/** The log of this package. */
export const log: typeof logger = logger.child({ module: 'monitoring' });
