import { createHealth, type Health, type HealthOptions } from './checks.ts';
import { defineModule, type ModuleHandle } from './core.ts';
import { VERSION } from './version.ts';

/** The default registry of this process. */
export const handle: ModuleHandle<Health, HealthOptions> = defineModule<Health, HealthOptions>({
  module: 'health',
  package: '@vibeonrails/infra-health',
  version: VERSION,
  contract: 1,
  create: createHealth,
});
