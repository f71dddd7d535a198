import { createServer } from 'node:net';
import type {
  EngineFactory,
  EngineSocket,
  RealtimeEngine,
  UpgradeDecision,
  UpgradeRequest,
} from './engine.ts';
import { type RawPeer, rawPeer } from './raw-peer.ts';

/** An engine that listens, and what happened on it. */
export interface Bench {
  readonly engine: RealtimeEngine;
  readonly port: number;
  readonly requests: UpgradeRequest[];
  readonly sockets: EngineSocket[];
  readonly messages: (string | Uint8Array)[];
  readonly closes: number[];
  abandoned: number;
  open(headers?: readonly string[], path?: string): Promise<RawPeer>;
}

type Decide = (
  request: UpgradeRequest,
  accept: UpgradeDecision,
) => UpgradeDecision | Promise<UpgradeDecision>;
/** Starts one. */
type Start = (decide?: Decide, port?: number) => Promise<Bench>;

/** The largest message in bytes. */
export const MAX_PAYLOAD: number = 1000;

/** Makes an engine and listens, on port `at` or on a free one; `decide` says who is let in. */
export async function listen(
  make: EngineFactory,
  decide: Decide = (_, accept) => accept,
  at = 0,
): Promise<Bench> {
  const seen = {
    requests: [] as UpgradeRequest[],
    sockets: [] as EngineSocket[],
    messages: [] as (string | Uint8Array)[],
    closes: [] as number[],
    abandoned: 0,
  };
  const accept: UpgradeDecision = {
    protocol: 'chosen',
    open(socket) {
      seen.sockets.push(socket);
      return { message: (data) => seen.messages.push(data), closed: (code) => seen.closes.push(code) };
    },
    abandoned() {
      seen.abandoned += 1;
    },
  };
  const engine = make({
    path: '/ws',
    maxPayload: MAX_PAYLOAD,
    upgrade: async (request) => {
      seen.requests.push(request);
      return decide(request, accept);
    },
  });
  const port = await engine.listen({ port: at, hostname: '127.0.0.1' });
  const open: Bench['open'] = (headers = ['Sec-WebSocket-Protocol: a, chosen'], path = '/ws') =>
    rawPeer(port, path, headers);
  return Object.assign(seen, { engine, port, open });
}

/** An engine that lets nobody in. */
export const refusing = (make: EngineFactory): RealtimeEngine =>
  make({ path: '/ws', maxPayload: MAX_PAYLOAD, upgrade: async () => ({ refuse: 403, reason: '' }) });

/** Registers one test. */
export type Test = (title: string, body: (start: Start) => Promise<void>) => void;

/** The number of a port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
