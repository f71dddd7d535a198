import { cut } from '../metrics/labels.ts';
import type { BridgedSpan } from './bridge.ts';
import type {
  AttributeValue,
  EndSpanOptions,
  FinishedSpan,
  Span,
  SpanEvent,
  SpanKind,
  SpanLink,
  SpanOptions,
  SpanStatus,
} from './span.ts';

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

/** What a name may be: bounded, and never empty. */
export const spanName = (name: unknown): string =>
  typeof name !== 'string' || name === '' ? 'unnamed' : cut(name, 256);

/** Attributes a span, an event or a link may have. */
const MAX_ATTRIBUTES = 128;
const MAX_TEXT = 4096;
const MAX_ITEMS = 128;
const MAX_STACK = 8192;

/**
 * Copies what an attribute may hold into `into`, shortened to its bounds. `had` and what it returns count those that
 * are over {@link MAX_ATTRIBUTES} too.
 */
function assignAttributes(into: Record<string, AttributeValue>, from: unknown, had: number): number {
  let size = had;
  if (typeof from !== 'object' || from === null) return size;
  for (const name in from) {
    const value = attributeValue((from as Record<string, unknown>)[name]);
    if (value === undefined || name === '__proto__' || name === '') continue;
    if (!Object.hasOwn(into, name)) {
      size += 1;
      if (size > MAX_ATTRIBUTES) continue;
    }
    into[name] = value;
  }
  return size;
}

function attributeValue(value: unknown): AttributeValue | undefined {
  switch (typeof value) {
    case 'string':
      return cut(value, MAX_TEXT);
    case 'number':
    case 'boolean':
      return value;
    case 'bigint':
      return String(value);
    default:
      return Array.isArray(value)
        ? value.slice(0, MAX_ITEMS).flatMap((item: unknown) => (Array.isArray(item) ? [] : scalar(item)))
        : undefined;
  }
}

const scalar = (item: unknown): (string | number | boolean)[] => {
  const value = attributeValue(item);
  return value === undefined || typeof value === 'object' ? [] : [value];
};

/** The type, message and stack of anything thrown; reading one may throw in its turn. */
export function describeError(thrown: unknown): { type: string; message: string; stack?: string } {
  try {
    const { name, code, message, stack } = (
      typeof thrown === 'object' && thrown !== null ? thrown : {}
    ) as Record<string, unknown>;
    const type = [code, name].find((text) => typeof text === 'string' && text !== '');
    const text = typeof message === 'string' ? message : String(thrown);
    return {
      type: typeof type === 'string' ? cut(type, 256) : typeof thrown,
      message: cut(text, MAX_TEXT),
      ...(typeof stack === 'string' && stack !== '' ? { stack: cut(stack, MAX_STACK) } : {}),
    };
  } catch {
    return { type: 'unknown', message: 'an error that cannot be read' };
  }
}
