import { type MemoryBus, memoryDriver } from '../src/drivers/memory.ts';
import { createRealtime, type Realtime } from '../src/index.ts';

/** A hub on memory; those that share a bus act like processes on one broker. */
export const make = (bus?: MemoryBus): Realtime =>
  createRealtime({ driver: memoryDriver(bus ? { bus } : {}), env: {} });

export interface Recorder {
  readonly got: unknown[];
  readonly closed: (number | undefined)[];
}

/** Registers a client that keeps what it gets. */
export function add(hub: Realtime, id: string, more: object = {}): Recorder {
  const got: unknown[] = [];
  const closed: (number | undefined)[] = [];
  hub.registerClient({
    id,
    send: (text) => void got.push(JSON.parse(text)),
    close: (code) => void closed.push(code),
    ...more,
  });
  return { got, closed };
}

export const push = (ch: string, ev: string, d: unknown) => ({ ch, ev, d });
