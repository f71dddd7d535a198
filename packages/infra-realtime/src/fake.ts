/// <reference lib="esnext.disposable" preserve="true" />
import assert from 'node:assert/strict';
import { type FakeClock, fakeClock } from '@vibeonrails/infra-core/testing';
import { createRealtime } from './hub.ts';
import { handle } from './module.ts';
import type { Realtime, SubscribeOptions } from './realtime.ts';

/** A message as a fake client got it, or as the hub was asked to publish it. */
export interface FakeMessage {
  /** Absent for what was sent with `toUser`. */
  readonly channel?: string;
  readonly event: string;
  readonly data: unknown;
}

/** A client that remembers what it gets. */
export interface FakeClient {
  readonly id: string;
  readonly received: readonly FakeMessage[];
  /** The close code, once it was closed. */
  readonly closedWith: number | undefined;
  /** Subscribes it and returns it. */
  subscribe(channel: string, options?: SubscribeOptions): FakeClient;
}

/** A hub for tests that stands in for the default one, on a clock of its own. */
export interface FakeRealtime extends Realtime, Disposable {
  readonly clock: FakeClock;
  /** The fake client of that id, registered at the first call. */
  client(id: string, options?: { userId?: string }): FakeClient;
  /** What was published, in order; `toUser` is not among it. */
  readonly messages: readonly FakeMessage[];
  /** Fails unless an event was published whose data holds at least what `partial` holds. */
  assertPublished(channel: string, event: string, partial?: unknown): void;
  /** Fails when such an event was published. */
  assertNotPublished(channel: string, event?: string): void;
  /** Puts the former default hub back. `using` does it too. */
  restore(): void;
}

/** Swaps the default hub for an empty one in memory until `restore()`, or the end of a `using` block. */
export function fakeRealtime(): FakeRealtime {
  const clock = fakeClock();
  const hub = createRealtime({ driver: 'memory', clock, env: {} });
  const clients = new Map<string, FakeClient>();
  const messages: FakeMessage[] = [];
  let restored = false;

  const fake: FakeRealtime = {
    ...hub,
    clock,
    messages,
    publish: async (channel, event, data, options) => {
      const position = await hub.publish(channel, event, data, options);
      messages.push({ channel, event, data: structuredClone(data) });
      return position;
    },
    client(id, options = {}) {
      const made = clients.get(id) ?? fakeClient(hub, id, options.userId);
      clients.set(id, made);
      return made;
    },
    assertPublished(channel, event, partial) {
      const seen = messages.filter((message) => message.channel === channel && message.event === event);
      const found = seen.some(({ data }) => partial === undefined || holds(data, partial));
      const what = partial === undefined ? '' : ` with ${JSON.stringify(partial)}`;
      const list = JSON.stringify(seen.length > 0 ? seen : messages);
      assert.ok(found, `expected "${event}" to be published on "${channel}"${what}; published: ${list}`);
    },
    assertNotPublished(channel, event) {
      const seen = messages.filter(
        (message) => message.channel === channel && (event === undefined || message.event === event),
      );
      assert.deepEqual(seen, [], `expected nothing of that to be published on "${channel}"`);
    },
    restore() {
      if (restored) return;
      restored = true;
      putBack();
      void hub.close();
    },
    [Symbol.dispose]: () => fake.restore(),
  };
  const putBack = handle.swap(fake);
  return fake;
}

function fakeClient(hub: Realtime, id: string, userId: string | undefined): FakeClient {
  const received: FakeMessage[] = [];
  let closedWith: number | undefined;
  const client: FakeClient = {
    id,
    received,
    get closedWith() {
      return closedWith;
    },
    subscribe(channel, options) {
      hub.subscribe(channel, id, options);
      return client;
    },
  };
  hub.registerClient({
    id,
    ...(userId === undefined ? {} : { userId }),
    send(text) {
      const { ch, ev, d } = JSON.parse(text) as { ch?: string; ev?: string; d?: unknown };
      if (ev !== undefined)
        received.push({ ...(ch === undefined ? {} : { channel: ch }), event: ev, data: d });
    },
    close(code = 1000) {
      closedWith = code;
    },
  });
  return client;
}

/** True when `actual` has everything that `partial` has, however deep; lists must be as long. */
function holds(actual: unknown, partial: unknown): boolean {
  if (partial === null || typeof partial !== 'object') return Object.is(actual, partial);
  if (actual === null || typeof actual !== 'object') return false;
  if (Array.isArray(partial) && (!Array.isArray(actual) || actual.length !== partial.length)) return false;
  return Object.entries(partial).every(([key, part]) =>
    holds((actual as Record<string, unknown>)[key], part),
  );
}
