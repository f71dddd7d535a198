import type { AsyncLocalStorage } from 'node:async_hooks';
import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import { logSafely } from './logger.ts';
import type { Operations } from './operations.ts';

/** Names of the operations this version of core knows; a module may trace others. */
export type OperationName = keyof Operations | (string & {});

/** What an operation says of itself when it starts. */
export type OperationPayload<N extends OperationName> = N extends keyof Operations ? Operations[N] : object;

/** What a subscriber sees: the payload, and once it is over its result or error. One object from start to end. */
export type OperationEvent<N extends OperationName> = OperationPayload<N> & {
  readonly result?: unknown;
  readonly error?: unknown;
};

/** An operation worth measuring: a Node TracingChannel named `infra:<module>.<operation>`. */
export interface Operation<N extends OperationName> {
  /** True when somebody listens: ask before building a costly payload. */
  readonly hasSubscribers: boolean;
  /**
   * Runs `fn`, telling subscribers when it starts, settles and fails. Without subscribers it only calls `fn`. Each run
   * is an event of its own, also where the same payload is given twice.
   */
  trace<T>(fn: () => Promise<T>, payload: OperationPayload<N>): Promise<T>;
  /** The same for work that does not wait. */
  traceSync<T>(fn: () => T, payload: OperationPayload<N>): T;
}

const channelName = (name: string): string => `infra:${name}`;

/** The operation called `name`, such as `cache.get`. Make it once, at the top of a module. */
export function operation<N extends OperationName>(name: N): Operation<N> {
  const channel = tracingChannel<unknown, object>(channelName(name));
  return {
    get hasSubscribers() {
      return channel.hasSubscribers;
    },
    trace: (fn, payload) => (channel.hasSubscribers ? channel.tracePromise(fn, eventOf(payload)) : fn()),
    traceSync: (fn, payload) => (channel.hasSubscribers ? channel.traceSync(fn, eventOf(payload)) : fn()),
  };
}

/** A new object for each run; the payload itself where it has a getter that throws: measuring must not break the work. */
function eventOf(payload: object): object {
  try {
    return { ...payload };
  } catch {
    return payload;
  }
}

/** What to do at the moments of an operation. */
export interface OperationSubscriber<N extends OperationName> {
  /** It starts. */
  start?(event: OperationEvent<N>): void;
  /** It is over, once, whichever way; `event` holds `result` or `error`. */
  end?(event: OperationEvent<N>): void;
  /**
   * Gives the work a context of its own: what `enter` returns becomes the store's value while it runs. Called
   * before `start`. The storage is an `AsyncLocalStorage`.
   */
  bind?: { storage: { getStore(): unknown }; enter(event: OperationEvent<N>): unknown };
}

/**
 * Listens to an operation. What a subscriber throws, or rejects with, is logged once and never reaches the caller.
 * The returned function ends it. Of several that bind the same storage to one operation, the last one's value counts.
 */
export function subscribeOperation<N extends OperationName>(
  name: N,
  subscriber: OperationSubscriber<N>,
): () => void {
  const channel: TracingChannel<unknown, object> = tracingChannel<unknown, object>(channelName(name));
  const guard = guardFor(name);
  const over = new WeakSet<object>();
  const finish = guard((event) => {
    if (over.has(event)) return;
    over.add(event);
    return subscriber.end?.(event as OperationEvent<N>);
  });
  const handlers = {
    start: guard((event) => subscriber.start?.(event as OperationEvent<N>)),
    // A synchronous operation, and one that throws before its first await, is over here and has no asyncEnd.
    end: (event: object) => ('result' in event || 'error' in event ? finish(event) : undefined),
    asyncStart: () => undefined,
    asyncEnd: finish,
    error: () => undefined,
  };
  const { bind } = subscriber;
  const storage = bind?.storage as AsyncLocalStorage<unknown>;
  if (bind) {
    const enter = guard<unknown>(
      (event) => bind.enter(event as OperationEvent<N>),
      () => bind.storage.getStore(),
    );
    channel.start.bindStore(storage, enter);
  }
  channel.subscribe(handlers);
  return () => {
    channel.unsubscribe(handlers);
    if (bind) channel.start.unbindStore(storage);
  };
}

/** Wraps what a subscriber does: a throw there would end the process, because channels rethrow it as uncaught. */
function guardFor(
  name: string,
): <R>(fn: (event: object) => R, otherwise?: () => R) => (event: object) => R | undefined {
  let reported = false;
  const report = (err: unknown): void => {
    if (reported) return;
    reported = true;
    logSafely('warn', { err, operation: name }, 'a telemetry subscriber threw; later throws are silent');
  };
  return (fn, otherwise) => (event) => {
    try {
      const result = fn(event);
      if (result instanceof Promise) result.catch(report);
      return result;
    } catch (err) {
      report(err);
      return otherwise?.();
    }
  };
}
