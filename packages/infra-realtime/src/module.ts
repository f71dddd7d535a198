import { randomUUID } from 'node:crypto';
import { defineModule, type HealthResult, type ModuleHandle } from '@vibeonrails/infra-core';
import { createRealtime } from './hub.ts';
import type { Realtime, RealtimeOptions } from './realtime.ts';
import { VERSION } from './version.ts';

/** The default hub of this process. */
export const handle: ModuleHandle<Realtime, RealtimeOptions> = defineModule<Realtime, RealtimeOptions>({
  module: 'realtime',
  package: '@vibeonrails/infra-realtime',
  version: VERSION,
  contract: 1,
  create: createRealtime,
  healthCheck: roundTrip,
});

/** Sends a message through the broker to a client made for it. */
async function roundTrip(hub: Realtime, signal: AbortSignal): Promise<HealthResult> {
  const id = `health.${randomUUID()}`;
  let arrived = (): void => undefined;
  const arrival = new Promise<void>((resolve, reject) => {
    arrived = resolve;
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  const unregister = hub.registerClient({ id, send: () => arrived(), close: () => undefined });
  try {
    await Promise.race([hub.subscribe(id, id).ready, arrival]);
    await Promise.race([hub.publish(id, 'health', null), arrival]);
    await arrival;
    const { clients, channels } = hub.stats();
    return { status: 'ok', data: { driver: hub.driver, clients: clients - 1, channels: channels - 1 } };
  } finally {
    unregister();
  }
}
