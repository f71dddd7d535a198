import type { CheckHealthOptions, Health } from './checks.ts';
import { type HealthStatus, logger } from './core.ts';
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

/** Answers a probe with what `health` reports. */
export async function answer(
  request: Request,
  health: Health,
  { details, format = 'default' }: HealthHandlerOptions,
): Promise<Response> {
  const endpoint = ENDPOINTS.get(/([^/]*)\/*$/.exec(new URL(request.url).pathname)?.[1] ?? '');
  if (!endpoint) return plain(404, 'Not found: try /livez, /readyz, /startupz or /health.');
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return plain(405, `Method not allowed: use ${METHODS}.`, { allow: METHODS });
  const report = await health.check({ ...endpoint, signal: request.signal });
  const shown = request.method === 'GET' && (await maySee(details, request));
  const asDraft = format === 'health+json';
  const body = asDraft ? toHealthJson(report, shown) : shown ? report : { status: report.status };
  return new Response(request.method === 'HEAD' ? null : `${JSON.stringify(body)}\n`, {
    status: report.status === 'error' ? 503 : 200,
    headers: {
      'content-type': asDraft ? 'application/health+json' : 'application/json',
      'cache-control': 'no-store',
    },
  });
}

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

const WORDS: Readonly<Record<HealthStatus, string>> = { ok: 'pass', degraded: 'warn', error: 'fail' };

/** A report in the form of draft-inadarei-api-health-check-06, with its checks where `details` is true. */
function toHealthJson(report: HealthReport, details: boolean): object {
  const status = WORDS[report.status];
  if (!details) return { status };
  const checks = report.checks.map(({ name, status, message, data, checkedAt }) => [
    name,
    [
      {
        status: WORDS[status],
        time: checkedAt,
        ...(message === undefined ? {} : { output: message }),
        ...(data === undefined ? {} : { observedValue: data }),
      },
    ],
  ]);
  return {
    status,
    ...(report.message ? { output: report.message } : {}),
    checks: Object.fromEntries(checks),
  };
}
