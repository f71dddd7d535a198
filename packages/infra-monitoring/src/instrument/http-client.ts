import type { ClientRequest, IncomingMessage } from 'node:http';
import type { InfraContext } from '@vibeonrails/infra-core';
import { contextStorage, inject } from '../core.ts';
import { describeError } from '../tracing/recorded-span.ts';
import { contextOf } from '../tracing.ts';
import { isUntraced, onChannel } from './channel.ts';
import { knownMethod, methodName } from './http.ts';
import type { InstrumentTarget } from './instrument.ts';

/** Which requests carry the trace, the request id and the baggage to the server they go to. */
export type Propagate = (url: URL) => boolean;

const METRIC = 'http_client_request_duration_seconds';

interface SentRequest {
  /** Headers that take the trace along; none where it is to stay. */
  readonly headers: Readonly<Record<string, string>>;
  end(status: number | undefined, error?: unknown): void;
}

/** What undici and Node's `fetch` say of a request. */
interface UndiciRequest {
  readonly origin: string | URL;
  readonly path: string;
  readonly method: string;
  readonly headers: unknown;
  addHeader(name: string, value: string): void;
}

/** Records every request that this process sends with `node:http`, `node:https`, undici or `fetch`. */
export function listenToClients(target: InstrumentTarget, propagate: Propagate): () => void {
  const { registry } = target;
  registry.describe(METRIC, {
    type: 'histogram',
    help: 'Time until a request that was sent had its answer, in seconds.',
  });
  const sent = new WeakMap<object, SentRequest>();
  const start = (request: object, method: string, url: URL): SentRequest | undefined => {
    if (isUntraced()) return undefined;
    const state = startRequest(target, method, url, propagate);
    sent.set(request, state);
    return state;
  };
  const end = (request: object, status: number | undefined, error?: unknown): void => {
    const state = sent.get(request);
    if (state === undefined || !sent.delete(request)) return;
    state.end(status, error);
  };

  const startNode = ({ request }: { request: ClientRequest }): void => {
    if (sent.has(request)) return;
    const state = start(request, request.method, urlOf(request));
    // From Node 22 on a channel comes early enough for headers; before, they have been written by now.
    if (state && !request.headersSent && !request.hasHeader('traceparent'))
      for (const [name, value] of Object.entries(state.headers)) request.setHeader(name, value);
  };
  const stops = [
    onChannel('http.client.request.created', target, startNode),
    onChannel('http.client.request.start', target, startNode),
    onChannel<{ request: ClientRequest; response: IncomingMessage }>(
      'http.client.response.finish',
      target,
      ({ request, response }) => end(request, response.statusCode),
    ),
    onChannel<{ request: ClientRequest; error: unknown }>(
      'http.client.request.error',
      target,
      ({ request, error }) => end(request, undefined, error),
    ),
    onChannel<{ request: UndiciRequest }>('undici:request:create', target, ({ request }) => {
      const state = start(request, request.method, new URL(request.path, request.origin));
      if (!state || /\btraceparent\b/i.test(String(request.headers))) return;
      for (const [name, value] of Object.entries(state.headers)) request.addHeader(name, value);
    }),
    onChannel<{ request: object; response: { statusCode: number } }>(
      'undici:request:headers',
      target,
      ({ request, response }) => end(request, response.statusCode),
    ),
    onChannel<{ request: object; error: unknown }>('undici:request:error', target, ({ request, error }) =>
      end(request, undefined, error),
    ),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function startRequest(
  { registry, tracer, timer }: InstrumentTarget,
  given: string,
  url: URL,
  propagate: Propagate,
): SentRequest {
  const method = knownMethod(given);
  const startedAt = timer.elapsed();
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  const span = tracer.startSpan(methodName(method), { kind: 'client' });
  if (tracer.records(span))
    tracer.setSpanAttributes(span.spanId, {
      'http.request.method': method,
      'http.request.method_original': method === given ? undefined : given,
      'server.address': url.hostname,
      'server.port': port,
      // Without the query and the user: that is where secrets travel.
      'url.full': `${url.protocol}//${url.host}${url.pathname}`,
    });
  const surrounding = contextStorage().getStore();
  const context: InfraContext = tracer.tracing
    ? { ...surrounding, trace: contextOf(span) }
    : (surrounding ?? {});
  return {
    headers: propagate(url) ? inject<Record<string, string>>({}, context) : {},
    end(status, error) {
      const failed = status === undefined || status >= 400;
      const type = status === undefined ? describeError(error).type : failed ? String(status) : undefined;
      registry.observe(METRIC, (timer.elapsed() - startedAt) / 1000, {
        http_request_method: method,
        ...(status !== undefined && { http_response_status_code: status }),
        server_address: url.hostname,
        server_port: port,
        ...(type !== undefined && { error_type: type }),
      });
      if (!tracer.tracing) return;
      tracer.setSpanAttributes(span.spanId, {
        'http.response.status_code': status,
        'error.type': status === undefined ? undefined : type,
      });
      tracer.endSpan(span.spanId, {
        ...(status === undefined && { error: error ?? new Error('no answer') }),
        status: failed ? 'error' : 'unset',
      });
    },
  };
}

function urlOf(request: ClientRequest): URL {
  const { protocol, host, path } = request;
  const authority = String(request.getHeader('host') ?? host);
  return new URL(`${protocol}//${authority}${path.startsWith('/') ? path : '/'}`);
}
