import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterAll, beforeAll, describe, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { memoryDriver } from '../src/drivers/memory.ts';
import {
  createRealtime,
  createRealtimeServer,
  type Realtime,
  type RealtimeOptions,
  type RealtimeServer,
  type RealtimeServerOptions,
} from '../src/index.ts';
import { noUws } from './uws.ts';

/** What `serve()` makes servers of. */
let setting: { engine: 'ws' | 'uws'; broker: () => RealtimeOptions } = {
  engine: 'ws',
  broker: () => ({ driver: memoryDriver() }),
};

/** Registers a suite whose servers run on both engines, each with both brokers. */
export function onEverything(suite: () => void): void {
  for (const engine of ['ws', 'uws'] as const) {
    const missing = engine === 'uws' ? noUws : '';
    const using = (broker: () => RealtimeOptions): void => {
      const former = setting;
      beforeAll(() => {
        setting = { engine, broker };
      });
      afterAll(() => {
        setting = former;
      });
      suite();
    };
    describe.skipIf(missing)(`${engine} with memory${missing}`, () =>
      using(() => ({ driver: memoryDriver() })),
    );
    if (!missing)
      describeWith('redis', `${engine} with redis`, (server) =>
        using(() => ({ redis: { url: server().url, namespace: `test-${randomUUID()}`, ...patient } })),
      );
  }
}

/** The contract is about what is done, not how fast: a loaded machine may take its time. */
export const patient = { timeout: '20s', connectTimeout: '20s' } as const;

/** A server on a free port with a hub of its own; both end with the test. */
export async function serve(
  options: RealtimeServerOptions = {},
): Promise<{ hub: Realtime; server: RealtimeServer; url: string; port: number }> {
  const hub = createRealtime({ ...setting.broker(), env: {} });
  const server = createRealtimeServer({ realtime: hub, env: {}, engine: setting.engine, ...options });
  onTestFinished(async () => {
    await server.close();
    await hub.close();
  });
  const url = await server.listen();
  return { hub, server, url, port: Number(new URL(url).port) };
}

/** Waits until `holds` no longer throws, on a busy machine too. */
export const eventually = <T>(holds: () => T | Promise<T>, timeout = 30_000): Promise<T> =>
  vi.waitFor(holds, { timeout, interval: 2 });

type Json = Record<string, unknown>;

/** A WebSocket of the ws package that keeps its frames and answers pings. */
export class Peer {
  readonly socket: WebSocket;
  readonly frames: Json[] = [];
  code: number | undefined;
  status: number | undefined;
  pongs = true;
  readonly #closed: Promise<void>;
  #last = 0;

  constructor(url: string, protocols: string[] = [], options: object = {}) {
    this.socket = new WebSocket(url, protocols, options);
    this.socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Json;
      if (Object.keys(frame).length > 0) this.frames.push(frame);
      else if (this.pongs) this.socket.send('{}');
    });
    this.#closed = new Promise((resolve) => {
      this.socket.on('close', (code) => {
        this.code = code;
        resolve();
      });
    });
    this.socket.on('error', () => undefined);
    this.socket.on('unexpected-response', (_, response) => {
      this.status = response.statusCode;
      this.socket.terminate();
    });
    onTestFinished(() => this.socket.terminate());
  }

  /** Resolves with the frame that `match` accepts, past or to come. */
  async frame(match: (frame: Json) => boolean): Promise<Json> {
    for (;;) {
      const found = this.frames.find(match);
      if (found) return found;
      await once(this.socket, 'message');
    }
  }

  /** Sends a request and resolves with its reply. */
  async ask(request: Json): Promise<Json> {
    this.#last += 1;
    const id = this.#last;
    this.socket.send(JSON.stringify({ id, ...request }));
    const { id: _, ...reply } = await this.frame((frame) => frame.id === id);
    return reply;
  }

  /** Resolves with the close code, or the status of a refused upgrade. */
  async ended(): Promise<number | undefined> {
    await this.#closed;
    return this.status ?? this.code;
  }
}

/** Connects, and resolves when the server has greeted. */
export async function connected(url: string, protocols: string[] = [], options: object = {}): Promise<Peer> {
  const peer = new Peer(url, protocols, options);
  await peer.frame((frame) => 'hello' in frame);
  return peer;
}
