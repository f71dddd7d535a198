import { AsyncLocalStorage } from 'node:async_hooks';
import { slot } from './slots.ts';

/** Where in a trace something happens, after W3C Trace Context. */
export interface TraceContext {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** 16 lower-case hexadecimal digits: the span that is the parent of what comes next. */
  readonly spanId: string;
  /** True when the trace is recorded. */
  readonly sampled: boolean;
  /** The `tracestate` header as received. */
  readonly state?: string;
}

/** What travels with a piece of work: through promises, and with {@link inject} and {@link extract} through jobs and requests. */
export interface InfraContext {
  readonly trace?: TraceContext;
  /** The id of the request that started it. */
  readonly requestId?: string;
  /** W3C baggage: small values the application passes along. */
  readonly baggage?: Readonly<Record<string, string>>;
}

/** Text fields a context is written into and read from: HTTP headers, a job's metadata. */
export type Carrier = Record<string, string | string[] | undefined>;

const EMPTY: InfraContext = Object.freeze({});

interface ContextSlot {
  readonly storage: AsyncLocalStorage<InfraContext>;
}

/** The storage behind {@link currentContext}, for a subscriber that binds it to a channel. */
export function contextStorage(): AsyncLocalStorage<InfraContext> {
  return slot<ContextSlot>('context', 1, () => ({ storage: new AsyncLocalStorage<InfraContext>() })).storage;
}

/** The context of the work under way; empty outside of any. */
export function currentContext(): InfraContext {
  return contextStorage().getStore() ?? EMPTY;
}

/** Runs `fn` with `context` laid over the current one; everything it awaits sees the result. */
export function runWithContext<T>(context: InfraContext, fn: () => T): T {
  return contextStorage().run({ ...currentContext(), ...context }, fn);
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZERO = /^0+$/;
/** Printable ASCII without blanks or separators, of a length that cannot hurt. */
const REQUEST_ID = /^[\x21-\x7e]{1,200}$/;
const MAX_HEADER = 8192;

/** Writes a context into `carrier` as `traceparent`, `tracestate`, `baggage` and `x-request-id`. @default the current context */
export function inject<C extends Carrier>(carrier: C, context: InfraContext = currentContext()): C {
  const out: Carrier = carrier;
  const { trace, requestId, baggage } = context;
  if (trace) out.traceparent = `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`;
  if (trace?.state) out.tracestate = trace.state;
  if (requestId) out['x-request-id'] = requestId;
  const pairs = Object.entries(baggage ?? {}).map(
    ([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(v)}`,
  );
  if (pairs.length > 0) out.baggage = pairs.join(',');
  return carrier;
}

/**
 * Reads a context from `carrier`. Whatever is malformed is left out and never throws: an invalid `traceparent`
 * means a new trace (W3C Trace Context §3.2).
 */
export function extract(carrier: Carrier | Headers): InfraContext {
  const field = (name: string): string | undefined => {
    const value = carrier instanceof Headers ? (carrier.get(name) ?? undefined) : carrier[name];
    const text = Array.isArray(value) ? value.join(',') : value;
    return typeof text === 'string' && text.length <= MAX_HEADER ? text : undefined;
  };
  const trace = parseTraceparent(field('traceparent')?.trim(), field('tracestate'));
  const requestId = field('x-request-id');
  const baggage = parseBaggage(field('baggage'));
  return {
    ...(trace ? { trace } : {}),
    ...(requestId && REQUEST_ID.test(requestId) ? { requestId } : {}),
    ...(baggage ? { baggage } : {}),
  };
}

function parseTraceparent(header: string | undefined, state: string | undefined): TraceContext | undefined {
  const [, version, traceId, spanId, flags, rest] = TRACEPARENT.exec(header ?? '') ?? [];
  if (!version || !traceId || !spanId || !flags || version === 'ff' || (version === '00' && rest))
    return undefined;
  if (ZERO.test(traceId) || ZERO.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1, ...(state ? { state } : {}) };
}

function parseBaggage(header: string | undefined): Record<string, string> | undefined {
  const baggage: Record<string, string> = Object.create(null);
  for (const member of header?.split(',') ?? []) {
    const [pair = ''] = member.split(';');
    const at = pair.indexOf('=');
    if (at < 1) continue;
    try {
      baggage[decodeURIComponent(pair.slice(0, at).trim())] = decodeURIComponent(pair.slice(at + 1).trim());
    } catch {
      // A member that cannot be decoded is left out; the others stay.
    }
  }
  return Object.keys(baggage).length > 0 ? baggage : undefined;
}
