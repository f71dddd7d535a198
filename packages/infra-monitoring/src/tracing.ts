import type { Clock, Duration, InfraContext, TraceContext } from '@vibeonrails/infra-core';
import { contextStorage, systemClock, toMs } from './core.ts';
import { wholeNumber } from './errors.ts';
import { settled, timerOn } from './time.ts';
import { newSpanId, newTraceId } from './tracing/ids.ts';
import { LiveSpans } from './tracing/live-spans.ts';
import { type Sampler, samplerOf } from './tracing/sampler.ts';
import type { Attributes, EndSpanOptions, FinishedSpan, Span, SpanOptions } from './tracing/span.ts';

/** How a {@link Tracer} is made. */
export interface TracerOptions {
  /** @default every trace, or what the caller decided */
  sampler?: Sampler;
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
  /** Ends a span. Nothing happens when it is over already or unknown. */
  endSpan(spanId: string, options?: EndSpanOptions): void;
  /**
   * Runs `fn` in a span: everything it calls and awaits sees it as the current one. It ends when what `fn` returns
   * has settled; with status `error` when `fn` throws or rejects, which reaches the caller as it was.
   */
  withSpan<T>(name: string, fn: (span: Span) => T, options?: SpanOptions): T;
  /** The recorded span of the current context, while it is open. */
  activeSpan(): Span | undefined;
}

/** A {@link Tracer}, as those who build on it see it. */
export interface TracerCore extends Tracer {
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
  const {
    maxOpenSpans = 10_000,
    sampler = samplerOf('parentbased_always_on'),
    clock = systemClock,
  } = options;
  wholeNumber('maxOpenSpans', maxOpenSpans);
  const storage = contextStorage();
  const timer = timerOn(clock);
  const live = new LiveSpans({
    clock,
    timer,
    maxOpen: maxOpenSpans,
    maxAge: toMs(options.maxSpanAge ?? '10m'),
    onEnd: options.onEnd,
    onLost: options.onLost,
  });

  const begin = (name: string, how: SpanOptions | undefined): Span => {
    const parent = how?.parent === undefined ? storage.getStore()?.trace : (how.parent ?? undefined);
    const traceId = parent?.traceId ?? newTraceId();
    const span: Span = {
      traceId,
      spanId: newSpanId(),
      parentSpanId: parent?.spanId,
      name: typeof name === 'string' && name !== '' ? name.slice(0, 256) : 'unnamed',
      kind: how?.kind ?? 'internal',
      sampled: !live.closed && sampler(traceId, parent?.sampled),
      state: parent?.state,
    };
    if (span.sampled) live.add(span, how?.attributes, how?.links);
    return span;
  };

  const tracer: TracerCore = {
    startSpan(name, how) {
      try {
        return begin(name, how);
      } catch {
        // An option that throws when read: the work goes on, under a span without it.
        return begin(name, undefined);
      }
    },
    setSpanAttributes: (spanId, attributes) => live.setAttributes(spanId, attributes),
    endSpan: (spanId, how) => live.end(spanId, how),
    withSpan(name, fn, how) {
      const span = tracer.startSpan(name, how);
      const context: InfraContext = { ...storage.getStore(), trace: contextOf(span) };
      return settled(
        () => storage.run(context, fn, span),
        (failure) => live.end(span.spanId, failure && { error: failure.thrown, status: 'error' }),
      );
    },
    activeSpan() {
      const spanId = storage.getStore()?.trace?.spanId;
      return spanId === undefined ? undefined : live.get(spanId);
    },
    close: () => live.close(),
  };
  return tracer;
}
