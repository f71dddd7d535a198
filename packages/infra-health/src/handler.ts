import { logger } from '@vibeonrails/infra-core';
import type { FetchHandler } from '@vibeonrails/infra-core/http';
import type { CheckHealthOptions, Health } from './checks.ts';
import { toHealthJson } from './health-json.ts';
import type { HealthReport } from './report.ts';

/** How health is served. */
export interface HealthHandlerOptions {
  /**
   * Who sees names, messages and figures of the checks; everybody else gets the status alone.
   *
   * @default 'never'
   */
  details?: 'never' | 'always' | ((request: Request) => boolean | Promise<boolean>);
  /** `health+json` answers in the form of draft-inadarei-api-health-check-06. @default 'default' */
  format?: 'default' | 'health+json';
  /** The registry to serve. @default the default one */
  health?: Health;
}

/** What the last segment of the path asks for. */
const ENDPOINTS: ReadonlyMap<string, CheckHealthOptions> = new Map<string, CheckHealthOptions>([
  ['livez', { group: 'live' }],
  ['readyz', { group: 'ready' }],
  ['startupz', { group: 'startup' }],
  ['health', {}],
]);

const METHODS = 'GET, HEAD';

/** Serves the registry that `of` returns, asked anew at each request. */
export function handlerOf(of: () => Health, options: HealthHandlerOptions): FetchHandler {
  const { format = 'default' } = options;
  return async (request) => {
    const endpoint = ENDPOINTS.get(/([^/]*)\/*$/.exec(new URL(request.url).pathname)?.[1] ?? '');
    if (!endpoint) return plain(404, 'Not found: try /livez, /readyz, /startupz or /health.');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return plain(405, `Method not allowed: use ${METHODS}.`, { allow: METHODS });
    const report = await of().check({ ...endpoint, signal: request.signal });
    const shown = request.method === 'GET' && (await maySee(options.details, request));
    const health = format === 'health+json';
    const body = health ? toHealthJson(report, shown) : shown ? report : { status: report.status };
    return new Response(request.method === 'HEAD' ? null : `${JSON.stringify(body)}\n`, {
      status: statusCode(report),
      headers: {
        'content-type': health ? 'application/health+json' : 'application/json',
        'cache-control': 'no-store',
      },
    });
  };
}

const statusCode = ({ status }: HealthReport): number => (status === 'error' ? 503 : 200);

async function maySee(details: HealthHandlerOptions['details'], request: Request): Promise<boolean> {
  if (typeof details !== 'function') return details === 'always';
  try {
    return (await details(request)) === true;
  } catch (err) {
    logger.warn({ module: 'health', err }, 'the `details` function failed; details stay hidden');
    return false;
  }
}

function plain(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', ...headers },
  });
}
