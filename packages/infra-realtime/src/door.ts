import { logger } from '@vibeonrails/infra-core';
import { addressCounter, chooseProtocol, takeSnapshot, withinTime } from './admission.ts';
import type { Identity } from './channel-types.ts';
import type { EngineSocket, SocketEvents, UpgradeDecision, UpgradeRequest } from './engine.ts';
import { CLOSE_CODES } from './errors.ts';
import type { RealtimeServerStats } from './server.ts';
import type { ServerPlan } from './server-options.ts';

/** What the door asks its server. */
interface Within {
  /** True once nobody is let in any more. */
  isDraining(): boolean;
  /** Makes a connection of a socket that may come in. */
  enter(socket: EngineSocket, identity: Identity, ip: string): SocketEvents;
}

/** Decides who is let in, and counts who is not. */
interface Door {
  readonly refused: RealtimeServerStats['refused'];
  upgrade(request: UpgradeRequest): Promise<UpgradeDecision>;
  /** A connection of this address is over. */
  release(ip: string): void;
}

/** Makes a {@link Door}. */
export function createDoor(plan: ServerPlan, within: Within): Door {
  const { limits, clock, trustedProxies } = plan;
  const addresses = addressCounter(limits.perIp);
  const refused = { origin: 0, limit: 0, unauthorized: 0, draining: 0, failed: 0 };
  let reserved = 0;

  const release = (ip: string): void => {
    reserved -= 1;
    addresses.release(ip);
  };
  const no = (why: keyof typeof refused, status: number, reason: string): UpgradeDecision => {
    refused[why] += 1;
    return { refuse: status, reason };
  };

  async function upgrade(request: UpgradeRequest): Promise<UpgradeDecision> {
    if (within.isDraining()) return no('draining', 503, 'This server is shutting down');
    if (!plan.mayConnect(request)) return no('origin', 403, 'This origin may not connect');
    const snapshot = takeSnapshot(request, trustedProxies);
    if (reserved >= limits.connections) return no('limit', 503, 'Too many connections');
    if (!addresses.take(snapshot.ip)) return no('limit', 429, 'Too many connections from this address');
    reserved += 1;
    const { ip } = snapshot;
    try {
      const identity = await withinTime(clock, limits.hookTimeout, request.signal, () =>
        plan.authenticate(snapshot),
      );
      if (within.isDraining()) {
        release(ip);
        return no('draining', 503, 'This server is shutting down');
      }
      return {
        ...chooseProtocol(request),
        open: (socket) => admit(socket, identity, ip),
        abandoned: () => release(ip),
      };
    } catch (err) {
      release(ip);
      if (!request.signal.aborted) logger.error({ err, module: 'realtime' }, 'authenticate failed');
      return no('failed', 500, 'The connection could not be checked');
    }
  }

  function admit(socket: EngineSocket, identity: Identity | null, ip: string): SocketEvents {
    try {
      if (identity) return within.enter(socket, identity, ip);
      // Let in and closed: of a refused upgrade a browser tells its page nothing.
      refused.unauthorized += 1;
      socket.close(CLOSE_CODES.unauthorized, 'not authenticated');
    } catch (err) {
      logger.error({ err, module: 'realtime' }, 'a connection could not be opened');
      refused.failed += 1;
      socket.close(1011, 'the connection could not be opened');
    }
    return { message: () => undefined, closed: () => release(ip) };
  }

  return { refused, upgrade, release };
}
