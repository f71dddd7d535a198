import { createHash, timingSafeEqual } from 'node:crypto';
import {
  type Config,
  defineConfig,
  int,
  isInfraError,
  modulesInUse,
  type Reader,
  secret,
} from '@vibeonrails/infra-core';
import { type FetchHandler, ListenError, type RunningServer, serve } from '@vibeonrails/infra-core/http';

/** The variables of the operations server. */
export const config: Config<{
  readonly OPS_PORT: Reader<number | undefined>;
  readonly OPS_TOKEN: Reader<string | undefined>;
}> = defineConfig(
  {
    OPS_PORT: int({
      optional: true,
      min: 0,
      max: 65_535,
      description: 'port of health and metrics; else 9464',
    }),
    OPS_TOKEN: secret({
      optional: true,
      minLength: 16,
      description: 'bearer token for metrics and health details',
    }),
  },
  { package: '@vibeonrails/infra' },
);

/** Where Prometheus exporters commonly listen. */
const DEFAULT_PORT = 9464;

/**
 * Registers the health checks of the modules in use; called again, those of modules loaded since. A check of the
 * application's own with the same name wins.
 */
export async function watchModules(): Promise<() => void> {
  const { registerHealthCheck } = await import('@vibeonrails/infra-health');
  const seen = new Set<string>();
  return () => {
    for (const { module, healthCheck, critical = true } of modulesInUse()) {
      if (!healthCheck || seen.has(module)) continue;
      seen.add(module);
      try {
        registerHealthCheck(module, healthCheck, { critical });
      } catch (error) {
        if (!isInfraError(error, 'E_HEALTH_DUPLICATE')) throw error;
      }
    }
  };
}

/**
 * What the operations server answers: `/livez`, `/readyz`, `/startupz`, `/health` and `/metrics`. Health details are
 * shown to holders of the token, and to everyone outside of production when there is none.
 */
export async function opsHandler(
  watch: () => void,
  token: string | undefined,
  production: boolean,
): Promise<FetchHandler> {
  const { healthHandler } = await import('@vibeonrails/infra-health');
  const { metricsHandler } = await import('@vibeonrails/infra-monitoring');
  const health = healthHandler({
    details: token ? (request) => carries(request, token) : production ? 'never' : 'always',
  });
  const metrics = metricsHandler(token ? { token } : {});

  return (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/metrics') return metrics(request);
    if (pathname === '/') return new Response('/livez\n/readyz\n/startupz\n/health\n/metrics\n');
    watch();
    return health(request);
  };
}

/** Compares in a time that does not tell how much of the token was right. */
function carries(request: Request, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(request.headers.get('authorization') ?? ''), digest(`Bearer ${token}`));
}

/** Serves `handler` on the port that was asked for; on the usual one, or any free one where nobody asked. */
export async function serveOps(
  handler: FetchHandler,
  asked: number | undefined,
  hostname: string,
  production: boolean,
): Promise<RunningServer> {
  try {
    return await serve(handler, { port: asked ?? DEFAULT_PORT, hostname });
  } catch (error) {
    // A second application on a developer's machine: its address is printed anyway.
    if (asked === undefined && !production && error instanceof ListenError)
      return serve(handler, { port: 0, hostname });
    throw error;
  }
}
