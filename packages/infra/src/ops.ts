import { type Config, defineConfig, int, modulesInUse, type Reader, secret } from '@vibeonrails/infra-core';
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
 * What the operations server answers: `/livez`, `/readyz`, `/startupz`, `/health` and `/metrics`. Health details are
 * shown to holders of the token, and to everyone outside of production when there is none.
 */
export async function opsHandler(token: string | undefined, production: boolean): Promise<FetchHandler> {
  const { healthHandler, registerHealthCheck } = await import('@vibeonrails/infra-health');
  const { metricsHandler } = await import('@vibeonrails/infra-monitoring');
  const registered = new Set<string>();
  /** Asked at each probe, so that a module loaded after boot() is watched too. */
  const registerChecks = (): void => {
    for (const { module, healthCheck } of modulesInUse()) {
      if (!healthCheck || registered.has(module)) continue;
      registered.add(module);
      registerHealthCheck(module, healthCheck, { replace: true });
    }
  };
  const authorized = (request: Request): boolean =>
    request.headers.get('authorization') === `Bearer ${token}`;
  const health = healthHandler({ details: token ? authorized : production ? 'never' : 'always' });
  const metrics = metricsHandler(token ? { token } : {});

  return (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/metrics') return metrics(request);
    if (pathname === '/') return new Response('/livez\n/readyz\n/startupz\n/health\n/metrics\n');
    registerChecks();
    return health(request);
  };
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
