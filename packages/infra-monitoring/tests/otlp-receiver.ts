import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { metricsIn, must, type ReceivedMetric, type ReceivedSpan, spansIn } from './otlp-checks.ts';

export interface OtlpReceiver {
  readonly url: string;
  /** Of each request with metrics, what it held. */
  readonly metrics: ReceivedMetric[][];
  /** Every body, as it was sent. */
  readonly bodies: string[];
  readonly requests: { path: string; headers: IncomingHttpHeaders; at: number; spans: ReceivedSpan[] }[];
  readonly resources: Record<string, unknown>[];
  readonly problems: string[];
  /** What it answers; 200 and `{}` unless told otherwise. */
  answer: (response: ServerResponse, request: number) => void;
  spans(): ReceivedSpan[];
  close(): Promise<void>;
}

const accept = (response: ServerResponse): void => {
  response.setHeader('content-type', 'application/json');
  response.end('{}');
};

/** A collector that takes nothing it does not know: every field is checked for its form, and any other refused. */
export async function otlpReceiver(port = 0): Promise<OtlpReceiver> {
  const requests: OtlpReceiver['requests'] = [];
  const problems: string[] = [];
  const metrics: OtlpReceiver['metrics'] = [];
  const bodies: string[] = [];
  const resources: Record<string, unknown>[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks);
    let spans: ReceivedSpan[] = [];
    try {
      must(request.method === 'POST', 'method');
      must(request.headers['content-type'] === 'application/json', 'content-type');
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
      const decoded = new TextDecoder('utf-8', { fatal: true }).decode(body);
      bodies.push(decoded);
      const json: unknown = JSON.parse(decoded);
      if (typeof json === 'object' && json !== null && 'resourceMetrics' in json)
        metrics.push(metricsIn(json, resources));
      else spans = spansIn(json, resources);
    } catch (error) {
      problems.push(String(error));
    }
    requests.push({ path: request.url ?? '', headers: request.headers, at: performance.now(), spans });
    result.answer(response, requests.length);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const result: OtlpReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    metrics,
    bodies,
    resources,
    problems,
    answer: accept,
    spans: () => requests.flatMap(({ spans }) => spans),
    async close() {
      server.closeAllConnections();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
  return result;
}
