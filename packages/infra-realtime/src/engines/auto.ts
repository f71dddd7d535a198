import { logger } from '@vibeonrails/infra-core';
import type { EngineFactory, RealtimeEngine } from '../engine.ts';
import { uwsEngine } from './uws.ts';
import { findUws, type UwsLibrary } from './uws-library.ts';
import { wsEngine } from './ws.ts';

/**
 * Makes the engine that takes the fastest there is: uWebSockets.js on a port of its own where it is installed and
 * runs, else `ws`; to share a port always `ws`.
 */
export const autoEngine =
  (library?: UwsLibrary): EngineFactory =>
  (options) => {
    let own: RealtimeEngine | undefined;
    let shared: RealtimeEngine | undefined;
    let closed = false;
    const choose = async (): Promise<RealtimeEngine> => {
      const found = library ?? (await findUws().catch(warn));
      own ??= found ? uwsEngine(found)(options) : wsEngine(options);
      // It may have been closed while the library was loading.
      if (closed) await own.close();
      await own.ready();
      return own;
    };
    return {
      get name() {
        return (own ?? shared)?.name ?? 'auto';
      },
      ready: async () => void (await choose()),
      listen: async (address) => (await choose()).listen(address),
      async attach(server) {
        shared ??= wsEngine(options);
        await shared.attach?.(server);
      },
      async close() {
        closed = true;
        await Promise.all([own?.close(), shared?.close()]);
      },
    };
  };

function warn(err: unknown): undefined {
  logger.warn({ err, module: 'realtime' }, 'uWebSockets.js is installed and does not run here; ws is used');
}
