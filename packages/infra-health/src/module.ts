import type { FetchHandler } from '@vibeonrails/infra-core/http';
import {
  type CheckHealthOptions,
  createHealth,
  type Health,
  type HealthCheckOptions,
  type HealthOptions,
} from './checks.ts';
import { defineModule, type HealthCheck, type ModuleHandle } from './core.ts';
import type { HealthHandlerOptions } from './handler.ts';
import type { HealthReport } from './report.ts';

/** The version in package.json. */
export const VERSION = '1.0.0';

/** The default registry of this process. */
export const handle: ModuleHandle<Health, HealthOptions> = defineModule<Health, HealthOptions>({
  module: 'health',
  package: '@vibeonrails/infra-health',
  version: VERSION,
  contract: 1,
  create: createHealth,
});

/**
 * Adds a check to the default registry; the returned function takes it out again.
 *
 * ```ts
 * registerHealthCheck('database', async () => {
 *   await db.execute(sql`SELECT 1`);
 *   return { status: 'ok' };
 * });
 * ```
 *
 * @throws {@link HealthCheckDuplicateError} `E_HEALTH_DUPLICATE` when the name is taken, unless `replace` is true.
 * @throws {@link HealthCheckInvalidError} `E_HEALTH_CHECK` for a name, function or option that is none.
 */
export function registerHealthCheck(
  name: string,
  check: HealthCheck,
  options?: HealthCheckOptions,
): () => void {
  return handle.instance().register(name, check, options);
}

/** Runs the checks of the default registry, all at once, and reports. Never rejects, whatever a check does. */
export function checkHealth(options?: CheckHealthOptions): Promise<HealthReport> {
  return handle.instance().check(options);
}

/** Says that the start of the process is over: until then `/startupz` answers 503. */
export function markStarted(): void {
  handle.instance().markStarted();
}

/**
 * Serves `/livez`, `/readyz`, `/startupz` and `/health`, under any prefix: 200 for `ok` and `degraded`, 503 for
 * `error`. For `node:http` and Express wrap it in `toNodeHandler` of `@vibeonrails/infra-core/http`.
 */
export function healthHandler(options: HealthHandlerOptions = {}): FetchHandler {
  return async (request) => {
    const { answer } = await import('./handler.ts');
    return answer(request, options.health ?? handle.instance(), options);
  };
}

/**
 * Makes the default registry from `options`, before its first use.
 *
 * @throws {@link AlreadyConfiguredError} `E_HEALTH_CONFIGURED` when it is in use, unless `replace` is true, which
 * starts with an empty registry.
 */
export function configureHealth(options: HealthOptions & { replace?: boolean }): Health {
  return handle.configure(options);
}
