import type { Clock, Duration } from '@vibeonrails/infra-core';
import type { TracingBridge } from './bridge.ts';
import type { Attributes, EndSpanOptions, FinishedSpan, Span, SpanOptions } from './span.ts';

/** Which traces are recorded. The `parentbased_` ones follow the caller where there is one. */
export type SamplerName =
  | 'always_on'
  | 'always_off'
  | 'traceidratio'
  | 'parentbased_always_on'
  | 'parentbased_always_off'
  | 'parentbased_traceidratio';

/** A sampler by name; a number from 0 to 1 stands for `parentbased_traceidratio` with that ratio. */
export type SamplerOption = SamplerName | number;

/** Decides when a span starts, before anything is allocated for it. */
export type Sampler = (traceId: string, parentSampled: boolean | undefined) => boolean;

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
