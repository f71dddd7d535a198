import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { contextStorage, extract } from '../core.ts';
import type { Attributes } from '../tracing/span.ts';
import { onChannel } from './channel.ts';
import { type IncomingRequest, knownMethod, type StartedRequest, serverRequests } from './http.ts';
import type { InstrumentTarget } from './instrument.ts';

interface ServerMessage {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface StreamMessage {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
}

/** What HTTP/1 and HTTP/2 both have of a request. */
interface Incoming {
  readonly method: string;
  readonly scheme: string;
  readonly path: string;
  readonly authority: string | undefined;
  readonly version: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/**
 * Records every request that a server of `node:http`, `node:https` or `node:http2` serves, but those to `ignored`
 * paths. HTTP/2 is announced from Node 22.17 on; an upgrade, such as a WebSocket's, is by none.
 */
export function listenToServers(target: InstrumentTarget, ignored: ReadonlySet<string>): () => void {
  const storage = contextStorage();
  const begin = serverRequests(target);
  const start = (incoming: Incoming): StartedRequest | undefined => {
    // A connection serves one request after the other: whatever the last one left behind must not surround this one.
    storage.enterWith(undefined as never);
    if (ignored.has(incoming.path)) return undefined;
    const started = begin(requestOf(incoming), extract(incoming.headers));
    storage.enterWith(started.context);
    return started;
  };
  /** Both come after the last byte, and when the client leaves before it. */
  const whenClosed = (emitter: ServerResponse | ServerHttp2Stream, end: () => void): void => {
    emitter.once('close', () => {
      try {
        end();
      } catch {
        target.registry.drop('threw');
      }
    });
  };
  const announced = new WeakSet<object>();
  const stops = [
    onChannel<ServerMessage>('http.server.request.start', target, ({ request, response }) => {
      const started = start(incomingOf(request));
      if (!started) return;
      whenClosed(response, () => {
        started.served.route ??= expressRoute(request);
        const isWhole = response.writableFinished;
        const status = isWhole || response.headersSent ? response.statusCode : undefined;
        started.end(status, isWhole ? undefined : 'aborted');
      });
    }),
    onChannel<StreamMessage>('http2.server.stream.start', target, ({ stream, headers }) => {
      if (announced.has(stream)) return;
      announced.add(stream);
      const started = start(incomingOfStream(stream, headers));
      if (!started) return;
      whenClosed(stream, () => {
        const isWhole = stream.rstCode === 0 && !stream.aborted;
        const status = stream.sentHeaders?.[':status'];
        started.end(typeof status === 'number' ? status : undefined, isWhole ? undefined : 'aborted');
      });
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

const isEncrypted = (socket: object | undefined): boolean =>
  socket !== undefined && 'encrypted' in socket && socket.encrypted === true;

const incomingOf = ({ method = 'GET', url, headers, httpVersion, socket }: IncomingMessage): Incoming => ({
  method,
  scheme: isEncrypted(socket) ? 'https' : 'http',
  path: pathOf(url),
  authority: headers.host,
  version: httpVersion,
  headers,
});

const incomingOfStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Incoming => ({
  method: headers[':method'] ?? 'GET',
  scheme: stream.session?.encrypted === true ? 'https' : 'http',
  path: pathOf(headers[':path']),
  authority: headers[':authority'] ?? headers.host,
  version: '2',
  headers,
});

function requestOf({ method, scheme, path, authority, version, headers }: Incoming): IncomingRequest {
  const known = knownMethod(method);
  return {
    method,
    scheme,
    attributes: (): Attributes => {
      const [address, port] = authorityOf(authority);
      const agent = headers['user-agent'];
      return {
        'http.request.method': known,
        'http.request.method_original': known === method ? undefined : method,
        'network.protocol.version': version,
        'server.address': address,
        'server.port': port,
        'url.path': path,
        'url.scheme': scheme,
        'user_agent.original': typeof agent === 'string' ? agent : undefined,
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
