import type { OperationEvent, Operations } from '@vibeonrails/infra-core';
import type { Timer } from '../core.ts';
import { contextStorage, slot, subscribeOperation } from '../core.ts';
import type { Registry } from '../metrics/registry.ts';
import type { Span } from '../tracing/span.ts';
import type { TracerCore } from '../tracing/tracer.ts';
import { contextOf } from '../tracing.ts';
import { type InstrumentedOperation, OPERATIONS } from './operations.ts';
import { SOURCES } from './sources.ts';

/** What is recorded besides the operations of the modules. */
export type SourceName = 'http.server' | 'http.client' | 'redis';

/** What `instrument()` listens to. */
export interface InstrumentOptions {
  /** Operations and sources to leave alone, such as `['cache.get', 'redis']`. @default none */
  except?: readonly (keyof Operations | SourceName)[];
  /** Paths whose requests are not recorded. @default where probes and scrapes go: /livez, /readyz, /startupz, /health, /healthz, /metrics */
  ignorePaths?: readonly string[];
  /** Which requests carry trace, request id and baggage to the server they go to. @default all */
  propagate?: (url: URL) => boolean;
}

/** What the instrumentation records with. */
export interface InstrumentTarget {
  readonly registry: Registry;
  readonly tracer: TracerCore;
  readonly timer: Timer;
}

/** The one instrumentation of this process: a channel makes one span current, so there can be no second. */
const holder = (): { stop?: () => void } => slot('monitoring-instrumentation', 1, () => ({}));

/**
 * Records every operation of every module, HTTP and Redis, in place of any earlier instrumentation, until the returned
 * function is called.
 */
export function instrumentWith(target: InstrumentTarget, options: InstrumentOptions = {}): () => void {
  const held = holder();
  held.stop?.();
  const except = new Set<string>(options.except);
  const names = (Object.keys(OPERATIONS) as (keyof Operations)[]).filter((name) => !except.has(name));
  const sources = Object.entries(SOURCES).filter(([name]) => !except.has(name));
  const stops = [
    ...names.map((name) => listen(name, OPERATIONS[name] as InstrumentedOperation<typeof name>, target)),
    ...sources.map(([, start]) => start(target, options)),
  ];
  const stop = (): void => {
    if (held.stop !== stop) return;
    delete held.stop;
    for (const end of stops) end();
  };
  held.stop = stop;
  return stop;
}

interface UnderWay {
  readonly span: Span;
  readonly startedAt: number;
}

function listen<N extends keyof Operations>(
  name: N,
  entry: InstrumentedOperation<N>,
  { registry, tracer, timer }: InstrumentTarget,
): () => void {
  const storage = contextStorage();
  const underWay = new WeakMap<object, UnderWay>();
  const verb = name.slice(name.indexOf('.') + 1);
  registry.describe(entry.metric, { type: 'histogram', help: 'Time an operation took, in seconds.' });

  const start = (event: OperationEvent<N>): Span | undefined => {
    try {
      const target = entry.target?.(event);
      const span = tracer.startSpan(target ? `${name} ${target}` : name, { kind: entry.kind });
      if (tracer.records(span)) tracer.setSpanAttributes(span.spanId, entry.attributes?.(event) ?? {});
      underWay.set(event, { span, startedAt: timer.elapsed() });
      return span;
    } catch {
      registry.drop('threw');
      return undefined;
    }
  };
  const enter = (event: OperationEvent<N>): unknown => {
    const context = storage.getStore();
    const span = start(event);
    return span ? { ...context, trace: contextOf(span) } : context;
  };

  return subscribeOperation<N>(name, {
    // Nothing follows the work through its promises while there are no spans.
    ...(tracer.tracing ? { bind: { storage: storage as never, enter } } : { start }),
    end(event) {
      const state = underWay.get(event);
      if (!state) return;
      const failed = 'error' in event;
      tracer.endSpan(state.span.spanId, failed ? { error: event.error, status: 'error' } : {});
      const labels = { operation: verb, ...entry.labels?.(event), outcome: failed ? 'error' : 'ok' };
      registry.observe(entry.metric, (timer.elapsed() - state.startedAt) / 1000, labels, state.span);
    },
  });
}
