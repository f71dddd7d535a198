import { randomBytes } from 'node:crypto';
import type { Clock } from '@vibeonrails/infra-core';
import type { AnyChannel } from './channel-types.ts';
import { Connection } from './connection.ts';
import { createDoor } from './door.ts';
import { drainClients } from './drain.ts';
import type { EngineFactory } from './engine.ts';
import { autoEngine } from './engines/auto.ts';
import { uwsEngine } from './engines/uws.ts';
import { wsEngine } from './engines/ws.ts';
import { CLOSE_CODES, RealtimeClosedError, RealtimeOptionError } from './errors.ts';
import type { Realtime } from './realtime.ts';
import type { RealtimeServer } from './server.ts';
import type { ServerLimits, ServerPlan } from './server-options.ts';

/** What all connections of a server share. */
export interface ConnectionHost {
  readonly hub: Realtime;
  readonly channels: readonly AnyChannel[];
  readonly limits: ServerLimits;
  readonly clock: Clock;
  /** Milliseconds between two pings. */
  readonly heartbeat: number;
  /** Called once when a connection is closed from this side. */
  closing(code: number): void;
  /** Called once when a connection is over. */
  ended(connection: Connection): void;
}

/** How long drained clients may take to close their end. */
const GOODBYE_TIME = 2000;

/** The part of a server that runs: its engine, and the connections it let in. It is loaded when a server starts. */
export type Gateway = Pick<RealtimeServer, 'engine' | 'listen' | 'attach' | 'drain' | 'close' | 'stats'>;

/** Makes a {@link Gateway}; `findHub` is asked once, when something first needs the hub. */
export function createGateway(plan: ServerPlan, findHub: () => Realtime): Gateway {
  const { path, limits, heartbeat, clock } = plan;
  const connections = new Set<Connection>();
  const counts = { accepted: 0, slow: 0, rate: 0, dead: 0 };
  let draining = false;
  let closed = false;
  let onEmpty = (): void => undefined;

  let shared: ConnectionHost | undefined;
  const host = (): ConnectionHost => {
    shared ??= {
      hub: findHub(),
      channels: plan.channels,
      limits,
      clock,
      heartbeat,
      closing(code) {
        if (code === CLOSE_CODES.slow) counts.slow += 1;
        if (code === CLOSE_CODES.rate) counts.rate += 1;
      },
      ended(connection) {
        connections.delete(connection);
        door.release(connection.ip);
        if (connections.size === 0) onEmpty();
      },
    };
    return shared;
  };
  const door = createDoor(plan, {
    isDraining: () => draining,
    enter(socket, identity, ip) {
      const id = randomBytes(12).toString('base64url');
      const connection = new Connection(host(), id, ip, identity, socket);
      connections.add(connection);
      counts.accepted += 1;
      return connection;
    },
  });
  const engine = factoryOf(plan)({
    path,
    maxPayload: limits.payload,
    maxBackpressure: limits.backpressure,
    upgrade: door.upgrade,
  });

  const beat = (): void => {
    for (const connection of connections) if (!connection.ping()) counts.dead += 1;
    stopHeartbeat = clock.after(heartbeat, beat);
  };
  let stopHeartbeat = clock.after(heartbeat, beat);

  let starting: Promise<unknown> = Promise.resolve();
  /** Starts once the hub is ready, unless it was closed meanwhile; what was closed while it started is not reported as started. */
  const start = async <T>(run: () => Promise<T>): Promise<T> => {
    await host().hub.ready();
    if (closed) throw new RealtimeClosedError('server');
    const started = run();
    starting = started;
    const result = await started;
    if (closed) throw new RealtimeClosedError('server');
    return result;
  };

  return {
    get engine() {
      return engine.name;
    },
    async listen() {
      const { hostname } = plan;
      const port = await start(() => engine.listen({ port: plan.port, hostname }));
      return `ws://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}${path}`;
    },
    async attach(server) {
      if (!engine.attach)
        throw new RealtimeOptionError(
          'engine',
          `${engine.name} cannot share a port`,
          "Use engine: 'ws', or listen().",
        );
      await start(async () => engine.attach?.(server));
    },
    async drain(how) {
      draining = true;
      if (connections.size === 0) return { drained: 0 };
      const { hub } = host();
      const leave = (client: { readonly id: string }): boolean => hub.unregisterClient(client.id);
      const report = await drainClients([...connections], leave, clock, how);
      // A socket that is cut before its goodbye was read may lose it.
      if (connections.size > 0 && !how?.signal?.aborted)
        await new Promise<void>((resolve) => {
          const cancel = clock.after(GOODBYE_TIME, resolve);
          onEmpty = () => {
            cancel();
            resolve();
          };
        });
      return report;
    },
    async close() {
      draining = true;
      closed = true;
      stopHeartbeat();
      await engine.close();
      await starting.catch(() => undefined);
      await engine.close();
    },
    stats: () => ({ connections: connections.size, ...counts, refused: { ...door.refused } }),
  };
}

function factoryOf({ engine, uws }: ServerPlan): EngineFactory {
  if (typeof engine === 'function') return engine;
  if (engine === 'ws') return wsEngine;
  return engine === 'uws' ? uwsEngine(uws) : autoEngine(uws);
}
