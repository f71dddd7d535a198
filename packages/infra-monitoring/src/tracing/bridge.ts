import type { TraceContext } from '@vibeonrails/infra-core';
import type { FinishedSpan, Span, SpanOptions } from './span.ts';

/** A span of another tracing system that stands for one of ours: its ids are ours. */
export interface BridgedSpan extends TraceContext {
  /** Ours is over: so is it, with all that was recorded. */
  end(span: FinishedSpan): void;
}

/** Another tracing system in this process, which a tracer takes part in. Neither call may throw. */
export interface TracingBridge {
  /** The span that is current in both: of the two systems' current ones, the inner. */
  current(ours: TraceContext | undefined): TraceContext | undefined;
  /**
   * Starts a span over there, under `parent`, at `startTime` in milliseconds since the Unix epoch. `undefined` when it
   * cannot be had: ours is then recorded alone.
   */
  start(
    name: string,
    parent: TraceContext | Span | undefined,
    options: SpanOptions | undefined,
    startTime: number,
  ): BridgedSpan | undefined;
}
