import type { InfraContext } from '@vibeonrails/infra-core';
import type { FetchHandler } from '@vibeonrails/infra-core/http';
import { contextStorage, extract } from '../core.ts';
import { settled } from '../time.ts';
import type { Attributes } from '../tracing/span.ts';
import { contextOf } from '../tracing.ts';
import type { InstrumentTarget } from './instrument.ts';

/** What is known of a request beyond itself. */
export interface HttpSpanOptions {
  /** The route's template, such as `/users/:id`: never a raw path, of which there is no end. @default none */
  route?: string | ((request: Request) => string | undefined);
}

/** The calls that trace and measure HTTP requests. */
export interface HttpTracing {
  /**
   * Serves a request in a span of its own: continues the caller's trace, gives the work a request id (`x-request-id`,
   * else a new one), and records `http_server_request_duration_seconds{method,route,status}`. What `serve` throws is
   * recorded as 500 and reaches the caller.
   */
  withHttpSpan<T extends Response | Promise<Response>>(
    request: Request,
    serve: () => T,
    options?: HttpSpanOptions,
  ): T;
  /** A Fetch handler that serves each request in {@link HttpTracing.withHttpSpan}. */
  traceHandler(handler: FetchHandler, options?: HttpSpanOptions): FetchHandler;
}

const METRIC = 'http_server_request_duration_seconds';
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);

/** Makes {@link HttpTracing}. */
export function httpTracing({ registry, tracer, timer }: InstrumentTarget): HttpTracing {
  const storage = contextStorage();
  registry.describe(METRIC, { type: 'histogram', help: 'Time until a request was answered, in seconds.' });

  const http: HttpTracing = {
    withHttpSpan(request, serve, options) {
      // Methods are the client's to choose, so those nobody defined share one name (OpenTelemetry's).
      const method = METHODS.has(request.method) ? request.method : '_OTHER';
      const route = routeOf(request, options);
      const incoming = extract(request.headers);
      const span = tracer.startSpan(route ? `${method} ${route}` : method, {
        kind: 'server',
        parent: incoming.trace ?? null,
        attributes: attributesOf(request, route),
      });
      const context: InfraContext = {
        requestId: crypto.randomUUID(),
        ...incoming,
        trace: contextOf(span),
      };
      const startedAt = timer.elapsed();
      let response: Response | undefined;
      const keep = (answer: Response): Response => {
        response = answer;
        return answer;
      };
      const run = (): Response | Promise<Response> => {
        const answer = storage.run(context, serve);
        return 'then' in answer ? answer.then(keep) : keep(answer);
      };
      return settled(run, (failure) => {
        const status = response?.status ?? 500;
        tracer.setSpanAttributes(span.spanId, { 'http.response.status_code': status });
        const failed = failure ? { error: failure.thrown } : {};
        tracer.endSpan(span.spanId, status >= 500 ? { ...failed, status: 'error' } : {});
        registry.observe(METRIC, (timer.elapsed() - startedAt) / 1000, { method, route, status });
      }) as never;
    },
    traceHandler: (handler, options) => (request) =>
      http.withHttpSpan(request, () => handler(request) as Promise<Response>, options),
  };
  return http;
}

function routeOf(request: Request, options: HttpSpanOptions | undefined): string | undefined {
  try {
    const route = options?.route;
    return typeof route === 'function' ? route(request) : route;
  } catch {
    return undefined;
  }
}

/** The query is left out: it is where secrets travel. */
function attributesOf(request: Request, route: string | undefined): Attributes {
  const { pathname, protocol, hostname } = new URL(request.url);
  return {
    'http.request.method': request.method,
    'http.route': route,
    'server.address': hostname,
    'url.path': pathname,
    'url.scheme': protocol.slice(0, -1),
  };
}
