import { type Clock, type Duration, toMs } from '@vibeonrails/infra-core';
import { CLOSE_CODES } from './errors.ts';
import { byeFrame } from './protocol.ts';
import type { RealtimeClient } from './realtime.ts';
import { closeQuietly } from './registry.ts';
import { wait } from './wait.ts';

/** How clients are sent away. */
export interface DrainOptions {
  /** How many are closed at once. @default 500 */
  batch?: number;
  /** The wait between two batches. @default '100ms' */
  interval?: Duration;
  /** The clients come back spread over this time, so that the other processes are not overrun. @default '5s' */
  spread?: Duration;
  /** Ends the waits: what is left is closed at once. */
  signal?: AbortSignal;
}

/**
 * Tells each client when to come back, at a random moment of its own, then closes it. `forget` takes a client out of
 * the registry and says whether it still was there.
 */
export async function drainClients(
  clients: readonly RealtimeClient[],
  forget: (client: RealtimeClient) => boolean,
  clock: Clock,
  { batch = 500, interval = '100ms', spread = '5s', signal }: DrainOptions = {},
): Promise<{ drained: number }> {
  const size = Math.max(1, batch);
  const pause = toMs(interval);
  const window = toMs(spread);
  let drained = 0;
  for (let start = 0; start < clients.length; start += size) {
    if (start > 0) await wait(clock, pause, signal);
    for (const client of clients.slice(start, start + size)) {
      if (!forget(client)) continue;
      drained += 1;
      sayGoodbye(client, Math.round(Math.random() * window));
      closeQuietly(client, CLOSE_CODES.draining, 'the server restarts');
    }
  }
  return { drained };
}

function sayGoodbye(client: RealtimeClient, after: number): void {
  try {
    const sent = client.send(byeFrame(CLOSE_CODES.draining, true, after));
    if (sent instanceof Promise) sent.catch(() => undefined);
  } catch {
    // It is closed next; one that cannot hear it backs off by itself.
  }
}
