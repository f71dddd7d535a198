import type { RedisConnection } from './client.ts';
import { defineModule, type HealthCheck, type ModuleHandle, type ModuleInstance } from './core.ts';

/** The version in package.json. */
export const VERSION = '1.0.0';

/** The connections that are open in this process, whichever copy of the package made them. */
export interface OpenConnections extends ModuleInstance {
  readonly open: Set<RedisConnection>;
}

/**
 * There is no default connection: what must be ready is for those to say who opened one, because a cache can do
 * without its Redis and a queue cannot. For the same reason the descriptor has no health check.
 */
export const handle: ModuleHandle<OpenConnections, object> = defineModule<OpenConnections, object>({
  module: 'redis',
  package: '@vibeonrails/infra-redis',
  version: VERSION,
  contract: 1,
  create() {
    const open = new Set<RedisConnection>();
    return {
      open,
      ready: async () => undefined,
      close: async () => {
        await Promise.all([...open].map((connection) => connection.close()));
      },
    };
  },
});

/**
 * Checks a connection with a PING, on a cluster one to every master. Without `connection` it checks all that are open
 * in this process. For `registerHealthCheck('redis', redisHealthCheck())`.
 */
export function redisHealthCheck(connection?: RedisConnection): HealthCheck {
  return async ({ signal }) => {
    const { checkConnections } = await import('./engine.ts');
    return checkConnections(connection ? [connection] : [...handle.instance().open], signal);
  };
}
