import type { Clock } from '@vibeonrails/infra-core';
import type { Timer } from '../core.ts';
import type { BridgedSpan } from './bridge.ts';
import { RecordedSpan } from './recorded-span.ts';
import type { EndSpanOptions, FinishedSpan, Span, SpanKind, SpanOptions } from './span.ts';

/** How {@link LiveSpans} is made. */
export interface LiveSpansOptions {
  readonly clock: Clock;
  readonly timer: Timer;
  readonly maxOpen: number;
  /** Milliseconds. */
  readonly maxAge: number;
  readonly onEnd: (span: FinishedSpan) => void;
  readonly onLost: (reason: 'span_evicted' | 'span_abandoned') => void;
}

/** The spans that are open, oldest first, bounded in number and age. */
export class LiveSpans {
  closed = false;
  /** In order of their start, since a Map keeps the order of insertion. */
  readonly #spans = new Map<string, RecordedSpan>();
  readonly #options: LiveSpansOptions;
  #stopSweep: (() => void) | undefined;

  constructor(options: LiveSpansOptions) {
    this.#options = options;
  }

  get(spanId: string): RecordedSpan | undefined {
    return this.#spans.get(spanId);
  }

  /** Records `span`, from now on unless told otherwise. Links that cannot be read are left out. */
  add(
    span: Span,
    how: SpanOptions | undefined,
    bridged: BridgedSpan | undefined,
    from?: number,
  ): RecordedSpan {
    const { timer } = this.#options;
    const startedAt = from ?? timer.elapsed();
    const recorded = new RecordedSpan(span, startedAt, timer.epoch(startedAt), bridged);
    const { parentSpanId, kind } = span;
    if (parentSpanId !== undefined) recorded.parentIsRemote = this.#isRemote(parentSpanId, kind, bridged);
    if (how?.links !== undefined) recorded.link(how.links, (spanId) => this.#isRemote(spanId, kind, bridged));
    if (how?.attributes !== undefined) recorded.assign(how.attributes);
    this.#spans.set(span.spanId, recorded);
    if (this.#spans.size > this.#options.maxOpen) this.#evictOldest();
    if (this.#stopSweep === undefined) this.#planSweep();
    return recorded;
  }

  /**
   * A span that is open here is of this process; what a server or a consumer goes on from otherwise came with its
   * request or message. Of the rest it cannot be told: one that is over here looks the same.
   */
  #isRemote(spanId: string, kind: SpanKind, bridged: BridgedSpan | undefined): boolean | undefined {
    if (this.#spans.has(spanId)) return false;
    return bridged === undefined && (kind === 'server' || kind === 'consumer') ? true : undefined;
  }

  end(spanId: string, how?: EndSpanOptions): void {
    const live = this.#spans.get(spanId);
    if (live !== undefined) this.finish(live, how);
  }

  /** Ends a span that was recorded here. Nothing happens when it is over already. */
  finish(live: RecordedSpan, how?: EndSpanOptions): void {
    if (!this.#spans.delete(live.spanId)) return;
    live.end(this.#options.timer.elapsed(), how);
    this.#options.onEnd(live);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#stopSweep?.();
    for (const live of this.#spans.values()) this.#lose(live, 'span_abandoned');
  }

  #lose(live: RecordedSpan, reason: 'span_evicted' | 'span_abandoned'): void {
    this.#spans.delete(live.spanId);
    this.#options.onLost(reason);
    live.abandoned = true;
    live.end(this.#options.timer.elapsed(), undefined);
    this.#options.onEnd(live);
  }

  #evictOldest(): void {
    for (const oldest of this.#spans.values()) {
      this.#lose(oldest, 'span_evicted');
      return;
    }
  }

  /** Wakes when the oldest span would be too old; sleeps while none is open. */
  #planSweep(): void {
    const { clock, timer, maxAge } = this.#options;
    for (const { startedAt } of this.#spans.values()) {
      const left = startedAt + maxAge - timer.elapsed();
      this.#stopSweep = clock.after(Math.max(left, maxAge / 10), () => this.#sweep());
      return;
    }
    this.#stopSweep = undefined;
  }

  #sweep(): void {
    const { timer, maxAge } = this.#options;
    for (const live of this.#spans.values()) {
      if (timer.elapsed() - live.startedAt < maxAge) break;
      this.#lose(live, 'span_abandoned');
    }
    this.#planSweep();
  }
}

interface Held {
  open: number;
  failed: boolean;
  ended: FinishedSpan[];
}

/**
 * Holds back the spans of traces that were not sampled until it is clear whether something failed: then all of them are
 * passed on, and those that come after. Bounded by the number of spans; the trace that has waited longest goes first.
 */
export class ErrorTraces {
  readonly #traces = new Map<string, Held>();
  readonly #maxSpans: number;
  readonly #pass: (span: FinishedSpan) => void;
  #size = 0;

  constructor(maxSpans: number, pass: (span: FinishedSpan) => void) {
    this.#maxSpans = maxSpans;
    this.#pass = pass;
  }

  /** Spans held back. */
  get size(): number {
    return this.#size;
  }

  /** Traces that are open. */
  get traces(): number {
    return this.#traces.size;
  }

  started(traceId: string): void {
    const held = this.#traces.get(traceId);
    if (held) held.open += 1;
    else this.#traces.set(traceId, { open: 1, failed: false, ended: [] });
  }

  ended(span: FinishedSpan): void {
    const held = this.#traces.get(span.traceId);
    // Evicted: what is left of it says something only where it failed itself.
    if (!held) {
      if (span.status === 'error') this.#pass(span);
      return;
    }
    held.open -= 1;
    if (!held.failed && span.status === 'error') {
      held.failed = true;
      this.#size -= held.ended.length;
      for (const earlier of held.ended.splice(0)) this.#pass(earlier);
    }
    if (held.failed) this.#pass(span);
    else if (held.open > 0) this.#hold(held, span);
    if (held.open === 0) this.#forget(span.traceId, held);
  }

  #hold(held: Held, span: FinishedSpan): void {
    held.ended.push(span);
    this.#size += 1;
    for (const [traceId, oldest] of this.#traces) {
      if (this.#size <= this.#maxSpans) return;
      this.#forget(traceId, oldest);
    }
  }

  #forget(traceId: string, held: Held): void {
    this.#size -= held.ended.length;
    this.#traces.delete(traceId);
  }
}
