import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { contextStorage } from '../core.ts';
import type { InstrumentTarget } from './instrument.ts';

/** Listens to one of Node's channels. What `take` throws is counted: thrown on, it would end the process. */
export function onChannel<M>(
  name: string,
  { registry }: Pick<InstrumentTarget, 'registry'>,
  take: (message: M) => void,
): () => void {
  const listener = (message: unknown): void => {
    try {
      take(message as M);
    } catch {
      registry.drop('threw');
    }
  };
  subscribe(name, listener);
  return () => void unsubscribe(name, listener);
}

/** Listens to the five channels of a TracingChannel as one operation, which is over once. */
export function onTracingChannel<E extends object, S>(
  name: string,
  target: Pick<InstrumentTarget, 'registry'>,
  start: (event: E) => S | undefined,
  end: (event: E & { readonly error?: unknown }, state: S) => void,
): () => void {
  const underWay = new WeakMap<object, S>();
  const finish = (event: E): void => {
    const state = underWay.get(event);
    if (state === undefined || !underWay.delete(event)) return;
    end(event, state);
  };
  const stops = [
    onChannel<E>(`tracing:${name}:start`, target, (event) => {
      const state = start(event);
      if (state !== undefined) underWay.set(event, state);
    }),
    // What throws before its first await is over here.
    onChannel<E>(`tracing:${name}:end`, target, (event) => {
      if ('error' in event || 'result' in event) finish(event);
    }),
    onChannel<E>(`tracing:${name}:asyncEnd`, target, finish),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

const UNTRACED: unique symbol = Symbol.for('@vibeonrails/infra-monitoring/untraced') as never;

/** Runs `fn`, whose requests are nobody's business: what exporters send must not make spans to be sent. */
export function untraced<T>(fn: () => T): T {
  return contextStorage().run({ [UNTRACED]: true } as object, fn);
}

/** True inside of {@link untraced}. */
export const isUntraced = (): boolean =>
  (contextStorage().getStore() as { [UNTRACED]?: boolean } | undefined)?.[UNTRACED] === true;
