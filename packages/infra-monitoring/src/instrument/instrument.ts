import type { Operations } from '@vibeonrails/infra-core';
import { contextStorage, slot, subscribeOperation } from '../core.ts';
import type { Registry } from '../metrics.ts';
import type { Timer } from '../time.ts';
import type { Span } from '../tracing/span.ts';
import { contextOf, type Tracer } from '../tracing.ts';
import { type InstrumentedOperation, OPERATIONS } from './operations.ts';

/** What `instrument()` listens to. */
export interface InstrumentOptions {
  /** Operations to leave alone, such as `['cache.get']`. @default none */
  except?: readonly (keyof Operations)[];
}

/** What the instrumentation records with. */
export interface InstrumentTarget {
  readonly registry: Registry;
  readonly tracer: Tracer;
  readonly timer: Timer;
}

/** The one instrumentation of this process: a channel makes one span current, so there can be no second. */
const holder = (): { stop?: () => void } => slot('monitoring-instrumentation', 1, () => ({}));

/** Records every operation of every module, in place of any earlier instrumentation. The returned function ends it. */
export function instrumentWith(target: InstrumentTarget, options: InstrumentOptions = {}): () => void {
  const held = holder();
  held.stop?.();
  const except = new Set<string>(options.except);
  const names = (Object.keys(OPERATIONS) as (keyof Operations)[]).filter((name) => !except.has(name));
  const stops = names.map((name) =>
    listen(name, OPERATIONS[name] as InstrumentedOperation<typeof name>, target),
  );
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

  return subscribeOperation<N>(name, {
    bind: {
      storage: storage as never,
      enter(event) {
        const context = storage.getStore();
        try {
          const target = entry.target?.(event);
          const span = tracer.startSpan(target ? `${name} ${target}` : name, {
            kind: entry.kind,
            attributes: entry.attributes?.(event) ?? {},
          });
          underWay.set(event, { span, startedAt: timer.elapsed() });
          return { ...context, trace: contextOf(span) };
        } catch {
          registry.drop('threw');
          return context;
        }
      },
    },
    end(event) {
      const state = underWay.get(event);
      if (!state) return;
      const failed = 'error' in event;
      tracer.endSpan(state.span.spanId, failed ? { error: event.error, status: 'error' } : {});
      registry.observe(entry.metric, (timer.elapsed() - state.startedAt) / 1000, {
        operation: verb,
        ...entry.labels?.(event),
        outcome: failed ? 'error' : 'ok',
      });
    },
  });
}
