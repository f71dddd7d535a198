import type { Clock, Duration, TraceContext } from '@vibeonrails/infra-core';
import { contextStorage, systemClock, toMs } from './core.ts';
import { wholeNumber } from './errors.ts';
import { isThenable, type Timer, timerOn } from './time.ts';
import type { BridgedSpan, TracingBridge } from './tracing/bridge.ts';
import { ErrorTraces } from './tracing/error-traces.ts';
import { newSpanId, newTraceId } from './tracing/ids.ts';
import { LiveSpans, RecordedSpan } from './tracing/live-spans.ts';
import { type Sampler, samplerOf } from './tracing/sampler.ts';
import {
  type Attributes,
  type EndSpanOptions,
  type FinishedSpan,
  type Span,
  type SpanOptions,
  spanName,
} from './tracing/span.ts';

/** How a {@link Tracer} is made. */
export interface TracerOptions {
  /** False makes every call a no-op: no ids, no AsyncLocalStorage. @default true */
  tracing?: boolean;
  /** @default every trace, or what the caller decided */
  sampler?: Sampler;
  /** Records traces that were not sampled as well, and passes them on when a span in them fails. @default false */
  keepErrors?: boolean;
  /** Spans that may be open at once; the oldest is ended when there are more. @default 10_000 */
  maxOpenSpans?: number;
  /** How long a span may be open before it is ended as abandoned. @default '10m' */
  maxSpanAge?: Duration;
  /** Takes each span that is over. */
  onEnd: (span: FinishedSpan) => void;
  /** Counts a span that had to be ended by force. */
  onLost: (reason: 'span_evicted' | 'span_abandoned') => void;
  /** @default the machine's clock, in fractions of a millisecond */
  clock?: Clock;
}

/** The calls that trace. None of them ever throws, except what a traced function throws. */
export interface Tracer {
  /**
   * Starts a span under the one of the current context. It does not become the current one itself: see
   * {@link Tracer.withSpan}. Whoever starts it ends it.
   */
  startSpan(name: string, options?: SpanOptions): Span;
  /** Adds facts to an open span, replacing those of the same name. Nothing happens when the span is over or unknown. */
  setSpanAttributes(spanId: string, attributes: Attributes): void;
  /** Notes that something happened in an open span, now. Nothing happens when the span is over or unknown. */
  addSpanEvent(spanId: string, name: string, attributes?: Attributes): void;
  /** Ends a span. Nothing happens when it is over already or unknown. */
  endSpan(spanId: string, options?: EndSpanOptions): void;
  /**
   * Runs `fn` in a span: everything it calls and awaits sees it as the current one. It ends when what `fn` returns
   * has settled; with status `error` when `fn` throws or rejects, which reaches the caller as it was.
   */
  withSpan<T>(name: string, fn: (span: Span) => T, options?: SpanOptions): T;
  /** The recorded span of the current context, while it is open. */
  activeSpan(): Span | undefined;
  /** Takes part in another tracing system until the returned function is called: see `./opentelemetry`. */
  bridgeTo(bridge: TracingBridge): () => void;
}

/** A {@link Tracer}, as those who build on it see it. */
export interface TracerCore extends Tracer {
  /** False when it makes no spans at all. */
  readonly tracing: boolean;
  /** True when what is told of a span is kept: ask before working it out. */
  records(span: Span): boolean;
  /** Ends every open span as abandoned and records no more. */
  close(): void;
}

/** The trace part of a context in which `span` is the current one. */
export function contextOf({ traceId, spanId, sampled, state }: Span): TraceContext {
  return state === undefined ? { traceId, spanId, sampled } : { traceId, spanId, sampled, state };
}

/**
 * Makes a tracer.
 *
 * @throws {@link MonitoringOptionError} `E_MONITORING_OPTION`, or `E_DURATION`, for a limit that cannot be.
 */
export function createTracer(options: TracerOptions): TracerCore {
  const { maxOpenSpans = 10_000, clock = systemClock, keepErrors = false, onEnd } = options;
  wholeNumber('maxOpenSpans', maxOpenSpans);
  const maxAge = toMs(options.maxSpanAge ?? '10m');
  if (options.tracing === false) return NO_TRACER;
  const timer = timerOn(clock);
  const errors = keepErrors ? new ErrorTraces(maxOpenSpans, onEnd) : undefined;
  const live = new LiveSpans({
    clock,
    timer,
    maxOpen: maxOpenSpans,
    maxAge,
    onEnd: errors ? (span) => (span.sampled ? onEnd(span) : errors.ended(span)) : onEnd,
    onLost: options.onLost,
  });
  return tracerOver(live, timer, options.sampler ?? samplerOf('parentbased_always_on'), errors);
}

function tracerOver(
  live: LiveSpans,
  timer: Timer,
  sampler: Sampler,
  errors: ErrorTraces | undefined,
): TracerCore {
  const storage = contextStorage();
  let bridge: TracingBridge | undefined;

  const begin = (name: string, how: SpanOptions | undefined): Span => {
    const parent = how?.parent === undefined ? current() : (how.parent ?? undefined);
    let startedAt: number | undefined;
    let bridged: BridgedSpan | undefined;
    if (bridge !== undefined) {
      // One start for both, so that neither ends before it began.
      startedAt = timer.elapsed();
      bridged = bridge.start(spanName(name), parent, how, timer.epoch(startedAt));
    }
    const traceId = bridged?.traceId ?? parent?.traceId ?? newTraceId();
    const span: Span = {
      traceId,
      spanId: bridged?.spanId ?? newSpanId(),
      parentSpanId: parent?.spanId,
      name: spanName(name),
      kind: how?.kind ?? 'internal',
      sampled: !live.closed && (bridged?.sampled ?? sampler(traceId, parent?.sampled)),
      state: bridged ? bridged.state : parent?.state,
    };
    if (span.sampled) return live.add(span, how, bridged, startedAt);
    if (errors === undefined || live.closed) return span;
    const recorded = live.add(span, how, undefined);
    errors.started(traceId);
    return recorded;
  };
  const current = (): TraceContext | undefined => {
    const trace = storage.getStore()?.trace;
    return bridge === undefined ? trace : bridge.current(trace);
  };
  const fail = (span: RecordedSpan, error: unknown): void => live.finish(span, { error, status: 'error' });

  const tracer: TracerCore = {
    tracing: true,
    records: (span) => span instanceof RecordedSpan,
    startSpan(name, how) {
      try {
        return begin(name, how);
      } catch {
        // An option that throws when read: the work goes on, under a span without it.
        return begin(name, undefined);
      }
    },
    setSpanAttributes: (spanId, attributes) => live.get(spanId)?.assign(attributes),
    addSpanEvent(spanId, name, attributes) {
      const span = live.get(spanId);
      if (span) span.addEvent(name, timer.epoch(timer.elapsed()), attributes);
    },
    endSpan: (spanId, how) => live.end(spanId, how),
    withSpan<T>(name: string, fn: (span: Span) => T, how?: SpanOptions): T {
      const span = tracer.startSpan(name, how);
      const surrounding = storage.getStore();
      const trace = contextOf(span);
      // Written out, here and below: what this allocates is most of what it costs.
      const context = surrounding === undefined ? { trace } : { ...surrounding, trace };
      if (!(span instanceof RecordedSpan)) return storage.run(context, fn, span);
      let result: T;
      try {
        result = storage.run(context, fn, span);
      } catch (thrown) {
        fail(span, thrown);
        throw thrown;
      }
      if (!(result instanceof Promise) && !isThenable(result)) {
        live.finish(span);
        return result;
      }
      return result.then(
        (value) => {
          live.finish(span);
          return value;
        },
        (thrown: unknown) => {
          fail(span, thrown);
          throw thrown;
        },
      ) as T;
    },
    activeSpan() {
      const spanId = storage.getStore()?.trace?.spanId;
      return spanId === undefined ? undefined : live.get(spanId);
    },
    bridgeTo(other) {
      bridge = other;
      return () => {
        if (bridge === other) bridge = undefined;
      };
    },
    close: () => live.close(),
  };
  return tracer;
}

/** What stands for every span while tracing is off: ids that no standard takes for real ones. */
const NO_SPAN: Span = Object.freeze({
  traceId: '0'.repeat(32),
  spanId: '0'.repeat(16),
  parentSpanId: undefined,
  name: 'none',
  kind: 'internal',
  sampled: false,
  state: undefined,
});
const nothing = (): undefined => undefined;

const NO_TRACER: TracerCore = {
  tracing: false,
  records: () => false,
  startSpan: () => NO_SPAN,
  setSpanAttributes: nothing,
  addSpanEvent: nothing,
  endSpan: nothing,
  withSpan: (_name, fn) => fn(NO_SPAN),
  activeSpan: nothing,
  bridgeTo: () => nothing,
  close: nothing,
};
