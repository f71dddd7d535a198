import type { Clock, TraceContext } from '@vibeonrails/infra-core';
import type { Timer } from '../time.ts';
import {
  type AttributeValue,
  assignAttributes,
  describeError,
  type EndSpanOptions,
  type FinishedSpan,
  type Span,
  type SpanOptions,
} from './span.ts';

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

interface LiveSpan {
  readonly span: Span;
  readonly startedAt: number;
  readonly attributes: Record<string, AttributeValue>;
  readonly links: readonly TraceContext[];
  size: number;
}

/** A {@link FinishedSpan} in the making. */
type Ended = { -readonly [K in keyof FinishedSpan]: FinishedSpan[K] };

const NO_LINKS: readonly TraceContext[] = Object.freeze([]);
const MAX_LINKS = 128;

/** The spans that are open, oldest first, bounded in number and age. */
export class LiveSpans {
  closed = false;
  /** In order of their start, since a Map keeps the order of insertion. */
  readonly #spans = new Map<string, LiveSpan>();
  readonly #options: LiveSpansOptions;
  #stopSweep: (() => void) | undefined;

  constructor(options: LiveSpansOptions) {
    this.#options = options;
  }

  get(spanId: string): Span | undefined {
    return this.#spans.get(spanId)?.span;
  }

  add(span: Span, attributes: SpanOptions['attributes'], links: SpanOptions['links']): void {
    const live: LiveSpan = {
      span,
      startedAt: this.#options.timer.elapsed(),
      attributes: {},
      links: links === undefined ? NO_LINKS : copyLinks(links),
      size: 0,
    };
    if (attributes !== undefined) assignSafely(live, attributes);
    this.#spans.set(span.spanId, live);
    if (this.#spans.size > this.#options.maxOpen) this.#evictOldest();
    if (this.#stopSweep === undefined) this.#planSweep();
  }

  setAttributes(spanId: string, attributes: unknown): void {
    const live = this.#spans.get(spanId);
    if (live !== undefined) assignSafely(live, attributes);
  }

  end(spanId: string, how?: EndSpanOptions): void {
    const live = this.#spans.get(spanId);
    if (live === undefined) return;
    this.#spans.delete(spanId);
    let finished: FinishedSpan;
    try {
      finished = this.#finish(live, how);
    } catch {
      finished = this.#finish(live, undefined);
    }
    this.#options.onEnd(finished);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#stopSweep?.();
    for (const live of this.#spans.values()) this.#lose(live, 'span_abandoned');
  }

  #finish({ span, startedAt, attributes, links }: LiveSpan, how: EndSpanOptions | undefined): Ended {
    const { timer } = this.#options;
    const startTime = timer.epoch(startedAt);
    // Written out, because copying with a spread takes five times as long as all the rest.
    const ended: Ended = {
      traceId: span.traceId,
      spanId: span.spanId,
      parentSpanId: span.parentSpanId,
      name: span.name,
      kind: span.kind,
      sampled: span.sampled,
      state: span.state,
      startTime,
      duration: timer.elapsed() - startedAt,
      attributes,
      links,
      status: 'unset',
    };
    if (how === undefined) return ended;
    const { endTime, error } = how;
    if (typeof endTime === 'number' && endTime - endTime === 0)
      ended.duration = Math.max(0, endTime - startTime);
    if (error !== undefined) ended.error = describeError(error);
    ended.status = how.status ?? (error === undefined ? 'unset' : 'error');
    return ended;
  }

  #lose(live: LiveSpan, reason: 'span_evicted' | 'span_abandoned'): void {
    this.#spans.delete(live.span.spanId);
    this.#options.onLost(reason);
    const ended = this.#finish(live, undefined);
    ended.abandoned = true;
    this.#options.onEnd(ended);
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

function assignSafely(live: LiveSpan, attributes: unknown): void {
  try {
    live.size = assignAttributes(live.attributes, attributes, live.size);
  } catch {
    // A getter threw: what came before it is kept.
  }
}

function copyLinks(links: readonly (TraceContext | Span)[]): readonly TraceContext[] {
  return links.slice(0, MAX_LINKS).map(({ traceId, spanId, sampled, state }) => ({
    traceId,
    spanId,
    sampled,
    ...(state === undefined ? {} : { state }),
  }));
}
