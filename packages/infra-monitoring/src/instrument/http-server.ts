import type { IncomingMessage, ServerResponse } from 'node:http';
import { contextStorage, extract } from '../core.ts';
import type { Attributes } from '../tracing/span.ts';
import { onChannel } from './channel.ts';
import { type IncomingRequest, knownMethod, serverRequests } from './http.ts';
import type { InstrumentTarget } from './instrument.ts';

interface ServerMessage {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Records every request that a server of `node:http` or `node:https` serves, but those to `ignored` paths. */
export function listenToServers(target: InstrumentTarget, ignored: ReadonlySet<string>): () => void {
  const storage = contextStorage();
  const begin = serverRequests(target);
  return onChannel<ServerMessage>('http.server.request.start', target, ({ request, response }) => {
    // A connection serves one request after the other: whatever the last one left behind must not surround this one.
    storage.enterWith(undefined as never);
    const path = pathOf(request.url);
    if (ignored.has(path)) return;
    const started = begin(incomingOf(request, path), extract(request.headers));
    storage.enterWith(started.context);
    const { served } = started;
    // Comes after the last byte, and when the client leaves before it.
    response.once('close', () => {
      try {
        served.route ??= expressRoute(request);
        const isWhole = response.writableFinished;
        started.end(
          isWhole || response.headersSent ? response.statusCode : undefined,
          isWhole ? undefined : 'aborted',
        );
      } catch {
        target.registry.drop('threw');
      }
    });
  });
}

function incomingOf(request: IncomingMessage, path: string): IncomingRequest {
  const { method = 'GET', headers, httpVersion } = request;
  const scheme = 'encrypted' in request.socket && request.socket.encrypted ? 'https' : 'http';
  const known = knownMethod(method);
  return {
    method,
    scheme,
    attributes: (): Attributes => {
      const [address, port] = authorityOf(headers.host);
      return {
        'http.request.method': known,
        'http.request.method_original': known === method ? undefined : method,
        'network.protocol.version': httpVersion,
        'server.address': address,
        'server.port': port,
        'url.path': path,
        'url.scheme': scheme,
        'user_agent.original': headers['user-agent'],
      };
    },
  };
}

/** The query is left out: it is where secrets travel. */
function pathOf(url = '/'): string {
  const at = url.search(/[?#]/);
  return at === -1 ? url : url.slice(0, at);
}

function authorityOf(host: string | undefined): [address: string | undefined, port: number | undefined] {
  if (host === undefined) return [undefined, undefined];
  const [, address = host, port] = /^(.*?)(?::(\d{1,5}))?$/.exec(host) ?? [];
  return [address, port === undefined ? undefined : Number(port)];
}

/** What Express leaves on a request once it has found the route. */
function expressRoute(request: IncomingMessage): string | undefined {
  const { route, baseUrl } = request as { route?: { path?: unknown }; baseUrl?: unknown };
  if (route?.path === undefined) return undefined;
  const paths = Array.isArray(route.path) ? route.path : [route.path];
  const base = typeof baseUrl === 'string' ? baseUrl : '';
  const template = base + paths.map(String).join('|');
  return template === '' ? '/' : template;
}
