import { createHash, timingSafeEqual } from 'node:crypto';
import type { Registry } from './metrics/registry.ts';
import { CONTENT_TYPES, type MetricsFormat } from './metrics/render.ts';

/** Answers a scraper with the metrics of a registry, in the format it asks for; one without `token`, if there is one, with 401. */
export function serveMetrics(request: Request, registry: Registry, token: string | undefined): Response {
  if (token !== undefined && !timingSafeEqual(digest(`Bearer ${token}`), digest(bearerOf(request))))
    return answer(401, 'A token is needed.\n', { 'www-authenticate': 'Bearer' });
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return answer(405, 'Metrics are read with GET.\n', { allow: 'GET, HEAD' });
  const format = formatFor(request.headers.get('accept') ?? '');
  const body = request.method === 'HEAD' ? null : streamOf(registry.chunks(format));
  return new Response(body, {
    headers: { 'content-type': CONTENT_TYPES[format], 'cache-control': 'no-store' },
  });
}

function answer(status: number, text: string, headers: Record<string, string>): Response {
  return new Response(text, {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', ...headers },
  });
}

/** The scheme is case-insensitive (RFC 9110 §11.1). */
const bearerOf = (request: Request): string =>
  (request.headers.get('authorization') ?? '').replace(/^bearer +/i, 'Bearer ');

/** Digests have one length, whatever was sent. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Prometheus's own format, unless OpenMetrics 1 is asked for by name and liked no less. */
function formatFor(accept: string): MetricsFormat {
  let open = 0;
  let plain = 0;
  for (const entry of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = entry.split(';').map((part) => part.trim());
    const parameter = (name: string): string | undefined =>
      parameters
        .find((part) => part.startsWith(`${name}=`))
        ?.slice(name.length + 1)
        .replaceAll('"', '');
    const quality = Number(parameter('q') ?? 1) || 0;
    if (type === 'application/openmetrics-text' && /^1(\.|$)/.test(parameter('version') ?? '1'))
      open = Math.max(open, quality);
    if (type === 'text/plain') plain = Math.max(plain, quality);
  }
  return open > 0 && open >= plain ? 'openmetrics' : 'prometheus';
}

function streamOf(chunks: AsyncGenerator<string, void, undefined>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
}
