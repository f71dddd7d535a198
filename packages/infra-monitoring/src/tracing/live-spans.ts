import type { Clock } from '@vibeonrails/infra-core';
import type { Timer } from '../time.ts';
import type { BridgedSpan } from './bridge.ts';
import {
  type AttributeValue,
  assignAttributes,
  describeError,
  type EndSpanOptions,
  type FinishedSpan,
  MAX_ATTRIBUTES,
  type Span,
  type SpanEvent,
  type SpanKind,
  type SpanLink,
  type SpanOptions,
  type SpanStatus,
  spanName,
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

const NO_LINKS: readonly SpanLink[] = Object.freeze([]);
const NO_EVENTS: readonly SpanEvent[] = Object.freeze([]);
const MAX_LINKS = 128;
const MAX_EVENTS = 128;

/**
 * A recorded span. The same object from start to end: one allocation is what makes it cheap. What only this folder
 * needs is private, so that exporters and tests see plain fields.
 */
export class RecordedSpan implements FinishedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  name: string;
  readonly kind: SpanKind;
  readonly sampled: boolean;
  readonly state: string | undefined;
  startTime: number;
  duration = 0;
  readonly attributes: Record<string, AttributeValue> = {};
  links: readonly SpanLink[] = NO_LINKS;
  events: readonly SpanEvent[] = NO_EVENTS;
  status: SpanStatus = 'unset';
  parentIsRemote: boolean | undefined = undefined;
  declare error?: { readonly type: string; readonly message: string; readonly stack?: string };
  declare dropped?: { readonly attributes: number; readonly events: number; readonly links: number };
  declare abandoned?: true;
  readonly #startedAt: number;
  /** Attributes, links and events it was given, those over the bounds too. */
  #size = 0;
  #links = 0;
  #events = 0;
  #bridged: BridgedSpan | undefined;

  constructor(span: Span, startedAt: number, startTime: number, bridged: BridgedSpan | undefined) {
    this.traceId = span.traceId;
    this.spanId = span.spanId;
    this.parentSpanId = span.parentSpanId;
    this.name = span.name;
    this.kind = span.kind;
    this.sampled = span.sampled;
    this.state = span.state;
    this.startTime = startTime;
    this.#startedAt = startedAt;
    this.#bridged = bridged;
  }

  get startedAt(): number {
    return this.#startedAt;
  }

  assign(attributes: unknown): void {
    try {
      this.#size = assignAttributes(this.attributes, attributes, this.#size);
    } catch {
      // A getter threw: what came before it is kept.
    }
  }

  link(links: NonNullable<SpanOptions['links']>, isRemote: (spanId: string) => boolean | undefined): void {
    this.links = links.slice(0, MAX_LINKS).map((link) => copyLink(link, isRemote));
    this.#links = links.length;
  }

  addEvent(name: string, time: number, attributes: unknown): void {
    this.#events += 1;
    if (this.#events > MAX_EVENTS) return;
    const copied: Record<string, AttributeValue> = {};
    try {
      if (attributes !== undefined) assignAttributes(copied, attributes, 0);
    } catch {
      // As above.
    }
    const event: SpanEvent = { name: spanName(name), time, attributes: copied };
    if (this.events === NO_EVENTS) this.events = [event];
    else (this.events as SpanEvent[]).push(event);
  }

  end(elapsed: number, how: EndSpanOptions | undefined): void {
    this.duration = elapsed - this.#startedAt;
    if (how !== undefined) this.#endAs(how);
    if (this.#size > MAX_ATTRIBUTES || this.#events > MAX_EVENTS || this.#links > MAX_LINKS)
      this.dropped = {
        attributes: Math.max(0, this.#size - MAX_ATTRIBUTES),
        events: Math.max(0, this.#events - MAX_EVENTS),
        links: Math.max(0, this.#links - MAX_LINKS),
      };
    this.#bridged?.end(this);
    this.#bridged = undefined;
  }

  #endAs(how: EndSpanOptions): void {
    try {
      const { endTime, error, name, status } = how;
      if (typeof endTime === 'number' && endTime - endTime === 0)
        this.duration = Math.max(0, endTime - this.startTime);
      if (name !== undefined) this.name = spanName(name);
      if (error !== undefined) this.error = describeError(error);
      this.status = status ?? (error === undefined ? 'unset' : 'error');
    } catch {
      // An option that throws when read: the span is over all the same.
    }
  }
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

function copyLink(
  link: NonNullable<SpanOptions['links']>[number],
  isRemoteId: (spanId: string) => boolean | undefined,
): SpanLink {
  const { traceId, spanId, sampled, state } = link;
  const attributes: Record<string, AttributeValue> = {};
  const isRemote = 'kind' in link ? false : isRemoteId(spanId);
  const size = 'attributes' in link ? assignAttributes(attributes, link.attributes, 0) : 0;
  return {
    traceId,
    spanId,
    sampled,
    ...(state === undefined ? {} : { state }),
    ...(size === 0 ? {} : { attributes }),
    ...(isRemote === undefined ? {} : { isRemote }),
  };
}
