import type { ModuleHandle } from '@vibeonrails/infra-core';
import { defineModule } from './core.ts';
import { createMonitoring, type Monitoring, type MonitoringOptions } from './monitoring.ts';
import { VERSION } from './version.ts';

/** The default monitoring of this process. */
export const handle: ModuleHandle<Monitoring, MonitoringOptions> = defineModule<
  Monitoring,
  MonitoringOptions
>({
  module: 'monitoring',
  package: '@vibeonrails/infra-monitoring',
  version: VERSION,
  contract: 1,
  create: createMonitoring,
});
