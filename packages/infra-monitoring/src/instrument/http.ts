import type { InfraContext, TraceContext } from '@vibeonrails/infra-core';
import type { FetchHandler } from '@vibeonrails/infra-core/http';
import { contextStorage, extract, settled } from '../core.ts';
import { describeError } from '../tracing/recorded-span.ts';
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
   * else a new one), and records `http_server_request_duration_seconds`. Where `instrument()` has done that already
   * for the request under way, it only adds the route. What `serve` throws is recorded as 500 and reaches the caller.
   */
  withHttpSpan<T extends Response | Promise<Response>>(
    request: Request,
    serve: () => T,
    options?: HttpSpanOptions,
  ): T;
  /** A Fetch handler that serves each request in {@link HttpTracing.withHttpSpan}. */
  traceHandler(handler: FetchHandler, options?: HttpSpanOptions): FetchHandler;
}

/** What is told of a request when it comes in. */
export interface IncomingRequest {
  readonly method: string;
  readonly scheme: string;
  /** Facts for the span; asked for when it is recorded. */
  attributes(): Attributes;
}

/** A request that is being served, as its context carries it. */
interface ServedRequest {
  readonly method: string;
  route?: string | undefined;
  /** What the handler threw, which the server answered with a status. */
  failure?: { readonly thrown: unknown } | undefined;
  /** True once a handler has told what it knows. */
  claimed?: boolean;
}

/** Under a symbol in the context, so that it goes wherever the request's work goes, and nowhere else. */
const SERVED: unique symbol = Symbol.for('@vibeonrails/infra-monitoring/served-request') as never;
type ServedContext = InfraContext & { readonly [SERVED]?: ServedRequest };

const servedRequest = (): ServedRequest | undefined =>
  (contextStorage().getStore() as ServedContext | undefined)?.[SERVED];

/**
 * Says which route the request under way belongs to: its template, such as `/users/:id`. For routers of your own;
 * nothing happens outside of a request.
 */
export function setHttpRoute(route: string | undefined): void {
  const served = servedRequest();
  if (served && typeof route === 'string' && route !== '') served.route = route;
}

/** A Fastify `onRequest` hook that tells the route: `app.addHook('onRequest', fastifyRoute)`. Express needs none. */
export function fastifyRoute(
  request: { readonly routeOptions?: { readonly url?: string | undefined } },
  _reply: unknown,
  done: () => void,
): void {
  setHttpRoute(request.routeOptions?.url);
  done();
}

/** A Hono middleware that tells the route: `app.use(honoRoute)`, before the routes. */
export async function honoRoute(
  context: { readonly req: { readonly routePath: string } },
  next: () => Promise<void>,
): Promise<void> {
  await next();
  const { routePath } = context.req;
  // A path of stars alone is a middleware's or the fallback: no route was found.
  if (!/^[/*]*\*$/.test(routePath)) setHttpRoute(routePath);
}

const METRIC = 'http_server_request_duration_seconds';
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);

/** Methods are the client's to choose, so those nobody defined share one name (OpenTelemetry's). */
export const knownMethod = (method: string): string => (METHODS.has(method) ? method : '_OTHER');

/** The first word of a span's name. */
export const methodName = (method: string): string => (method === '_OTHER' ? 'HTTP' : method);

/** A request under way. */
export interface StartedRequest {
  /** What its work runs in. */
  readonly context: InfraContext;
  readonly served: ServedRequest;
  /** It is over. `error` is a type of failure that no status tells. */
  end(status: number | undefined, error?: string): void;
}

/** Makes the span and the duration of each request that is served. */
export function serverRequests({
  registry,
  tracer,
  timer,
}: InstrumentTarget): (request: IncomingRequest, incoming: InfraContext) => StartedRequest {
  registry.describe(METRIC, { type: 'histogram', help: 'Time until a request was answered, in seconds.' });
  return (request, incoming) => {
    const method = knownMethod(request.method);
    const startedAt = timer.elapsed();
    const span = tracer.startSpan(methodName(method), { kind: 'server', parent: incoming.trace ?? null });
    if (tracer.records(span)) tracer.setSpanAttributes(span.spanId, request.attributes());
    const served: ServedRequest = { method: request.method };
    const trace: TraceContext | undefined = tracer.tracing ? contextOf(span) : incoming.trace;
    const context: ServedContext = {
      ...incoming,
      requestId: incoming.requestId ?? crypto.randomUUID(),
      ...(trace && { trace }),
      [SERVED]: served,
    };
    return {
      context,
      served,
      end(status, error) {
        const { route, failure } = served;
        const type =
          error ??
          (failure ? describeError(failure.thrown).type : undefined) ??
          ((status ?? 0) >= 500 ? String(status) : undefined);
        registry.observe(
          METRIC,
          (timer.elapsed() - startedAt) / 1000,
          {
            http_request_method: method,
            ...(route !== undefined && { http_route: route }),
            ...(status !== undefined && { http_response_status_code: status }),
            url_scheme: request.scheme,
            ...(type !== undefined && { error_type: type }),
          },
          span,
        );
        if (!tracer.tracing) return;
        tracer.setSpanAttributes(span.spanId, {
          'http.route': route,
          'http.response.status_code': status,
          'error.type': failure ? undefined : type,
        });
        tracer.endSpan(span.spanId, {
          ...(route && { name: `${methodName(method)} ${route}` }),
          ...(failure && { error: failure.thrown }),
          status: (status ?? 0) >= 500 ? 'error' : 'unset',
        });
      },
    };
  };
}

/** Makes {@link HttpTracing}. */
export function httpTracing(target: InstrumentTarget): HttpTracing {
  const storage = contextStorage();
  let begin: ReturnType<typeof serverRequests> | undefined;

  const http: HttpTracing = {
    withHttpSpan(request, serve, options) {
      const route = routeOf(request, options);
      const outer = servedRequest();
      if (outer && !outer.claimed && outer.method === request.method) return inside(outer, route, serve);
      begin ??= serverRequests(target);
      const started = begin(incomingOf(request), extract(request.headers));
      started.served.claimed = true;
      started.served.route = route;
      let response: Response | undefined;
      const keep = (answer: Response): Response => {
        response = answer;
        return answer;
      };
      const run = (): Response | Promise<Response> => {
        const answer = storage.run(started.context, serve);
        return 'then' in answer ? answer.then(keep) : keep(answer);
      };
      return settled(run, (failure) => {
        started.served.failure = failure;
        started.end(response?.status ?? 500);
      }) as never;
    },
    traceHandler: (handler, options) => (request) =>
      http.withHttpSpan(request, () => handler(request) as Promise<Response>, options),
  };
  return http;
}

/** Serves a request whose span there is already. */
function inside<T>(served: ServedRequest, route: string | undefined, serve: () => T): T {
  served.claimed = true;
  served.route = route ?? served.route;
  return settled(serve, (failure) => {
    served.failure = failure;
  });
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
function incomingOf(request: Request): IncomingRequest {
  const { pathname, protocol, hostname } = new URL(request.url);
  const scheme = protocol.slice(0, -1);
  return {
    method: request.method,
    scheme,
    attributes: () => ({
      'http.request.method': knownMethod(request.method),
      'http.request.method_original': METHODS.has(request.method) ? undefined : request.method,
      'server.address': hostname,
      'url.path': pathname,
      'url.scheme': scheme,
      'user_agent.original': request.headers.get('user-agent') ?? undefined,
    }),
  };
}
