import type { TraceContext } from '@vibeonrails/infra-core';
import type { Monitoring } from './contract.ts';
import { contextStorage } from './core.ts';
import { handle } from './module.ts';
import type { BridgedSpan, TracingBridge } from './tracing/bridge.ts';
import type { FinishedSpan, Span, SpanKind, SpanOptions } from './tracing/span.ts';

/** What of OpenTelemetry's context is used. */
interface OtelContext {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): OtelContext;
}

interface OtelTraceState {
  get(key: string): string | undefined;
  set(key: string, value: string): OtelTraceState;
  unset(key: string): OtelTraceState;
  serialize(): string;
}

interface OtelSpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly traceState?: OtelTraceState;
}

interface OtelSpan {
  spanContext(): OtelSpanContext;
  updateName(name: string): unknown;
  setAttributes(attributes: object): unknown;
  addEvent(name: string, attributes: object, time: number): unknown;
  recordException(error: object, time: number): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(time: number): void;
}

/** What `@opentelemetry/api` keeps on `globalThis` under a major version: the same object for every copy of it. */
interface OtelApi {
  readonly context?: { active(): OtelContext };
  readonly trace?: {
    getTracer(name: string): { startSpan(name: string, options: object, context: OtelContext): OtelSpan };
  };
}

const API = Symbol.for('opentelemetry.js.api.1');
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN');
/** In a context of theirs: the span of ours that it was made in. */
const MADE_IN = Symbol.for('@vibeonrails/infra-monitoring/made-in');
const KINDS: Readonly<Record<SpanKind, number>> = {
  internal: 0,
  server: 1,
  client: 2,
  producer: 3,
  consumer: 4,
};
const STATUSES = { unset: 0, ok: 1, error: 2 } as const;
const NAME = '@vibeonrails/infra-monitoring';

/**
 * Lets the spans of a monitoring and those of an OpenTelemetry SDK that runs in this process be each other's parents
 * and children. Every span of ours is then one of the SDK's as well: it samples and exports it. Call it once the SDK
 * has started; where the SDK records HTTP by itself, `instrument({ except: ['http.server', 'http.client'] })`.
 *
 * @param monitoring - the one whose spans take part. Default: the default monitoring
 * @returns what ends it; does nothing where no SDK has registered itself
 */
export function bridgeOpenTelemetry(monitoring: Monitoring = handle.instance()): () => void {
  const api = (globalThis as { [API]?: OtelApi })[API];
  if (!api?.context || !api.trace) return () => undefined;
  const { context, trace } = api;
  const tracer = trace.getTracer(NAME);
  const storage = contextStorage();
  const theirs = context.active.bind(context);

  /** Their context, with our current span in it where ours is the inner of the two. */
  const active = (): OtelContext => {
    const own = theirs();
    const ours = storage.getStore()?.trace;
    return ours === undefined || own.getValue(MADE_IN) === ours.spanId ? own : inside(own, ours);
  };
  const inside = (own: OtelContext, ours: TraceContext): OtelContext =>
    own.setValue(SPAN, live.get(ours.spanId) ?? remote(ours)).setValue(MADE_IN, ours.spanId);
  /** Ours that are open, so that what their API does to the active span reaches it. */
  const live = new Map<string, OtelSpan>();

  const bridge: TracingBridge = {
    current() {
      const span = active().getValue(SPAN) as OtelSpan | undefined;
      return span && contextFrom(span.spanContext());
    },
    start(name, parent, options, startTime) {
      try {
        const base = parent ? inside(theirs(), parent as TraceContext) : theirs().setValue(SPAN, undefined);
        const span = tracer.startSpan(name, optionsOf(options, startTime), base);
        return bridged(span, live);
      } catch {
        return undefined;
      }
    },
  };
  const end = monitoring.bridgeTo(bridge);
  context.active = active;
  return () => {
    end();
    if (context.active === active) context.active = theirs;
  };
}

function bridged(span: OtelSpan, live: Map<string, OtelSpan>): BridgedSpan {
  const context = contextFrom(span.spanContext());
  if (context.sampled) live.set(context.spanId, span);
  return {
    ...context,
    end(finished) {
      live.delete(context.spanId);
      try {
        finish(span, finished);
      } catch {
        // Ours is recorded all the same.
      }
    },
  };
}

function finish(span: OtelSpan, { name, attributes, events, status, error, ...times }: FinishedSpan): void {
  const endTime = times.startTime + times.duration;
  span.updateName(name);
  span.setAttributes(times.abandoned ? { ...attributes, 'infra.abandoned': true } : attributes);
  for (const event of events) span.addEvent(event.name, event.attributes, event.time);
  if (error) span.recordException({ name: error.type, message: error.message, stack: error.stack }, endTime);
  if (status !== 'unset')
    span.setStatus({ code: STATUSES[status], ...(error && { message: error.message }) });
  span.end(endTime);
}

/** With our own start: their clock is another one, and a short span would end before it began. */
const optionsOf = (options: SpanOptions | undefined, startTime: number): object => ({
  startTime,
  kind: KINDS[options?.kind ?? 'internal'],
  attributes: options?.attributes ?? {},
  links: (options?.links ?? []).map((link) => ({
    context: contextOf(link),
    attributes: 'attributes' in link ? link.attributes : undefined,
  })),
});

const contextOf = ({ traceId, spanId, sampled, state }: TraceContext | Span): OtelSpanContext => ({
  traceId,
  spanId,
  traceFlags: sampled ? 1 : 0,
  ...(state === undefined ? {} : { traceState: stateOf(state) }),
});

/** A tracestate as their samplers and propagators use it. What was set last comes first, as W3C has it. */
function stateOf(text: string): OtelTraceState {
  const items = text.split(',').map((item) => item.trim());
  const others = (key: string): string[] =>
    items.filter((item) => item !== '' && !item.startsWith(`${key}=`));
  return {
    get: (key) => items.find((item) => item.startsWith(`${key}=`))?.slice(key.length + 1),
    set: (key, value) => stateOf([`${key}=${value}`, ...others(key)].join()),
    unset: (key) => stateOf(others(key).join()),
    serialize: () => text,
  };
}

function contextFrom({ traceId, spanId, traceFlags, traceState }: OtelSpanContext): TraceContext {
  const state = traceState?.serialize();
  return { traceId, spanId, sampled: (traceFlags & 1) === 1, ...(state ? { state } : {}) };
}

/** A span of ours that only its ids are known of: it came with a job, or it is over. */
function remote(span: TraceContext | Span): OtelSpan {
  const nothing = (): void => undefined;
  const context = contextOf(span);
  return {
    spanContext: () => context,
    updateName: nothing,
    setAttributes: nothing,
    addEvent: nothing,
    recordException: nothing,
    setStatus: nothing,
    end: nothing,
    // What else their API may call on the active span.
    ...({ setAttribute: nothing, addLink: nothing, addLinks: nothing, isRecording: () => false } as object),
  };
}
