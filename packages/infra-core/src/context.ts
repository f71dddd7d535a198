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

/** What travels with a piece of work: through promises, and with `inject` and `extract` through jobs and requests. */
export interface InfraContext {
  readonly trace?: TraceContext;
  /** The id of the request that started it. */
  readonly requestId?: string;
  /** W3C baggage: small values the application passes along. */
  readonly baggage?: Readonly<Record<string, string>>;
}

const EMPTY: InfraContext = Object.freeze({});

/** An `AsyncLocalStorage`, by its shape: these declarations are of use without the types of Node.js. */
export interface ContextStorage {
  getStore(): InfraContext | undefined;
  run<T>(context: InfraContext, fn: () => T): T;
  run<T, A extends unknown[]>(context: InfraContext, fn: (...args: A) => T, ...args: A): T;
  enterWith(context: InfraContext): void;
}

interface ContextSlot {
  readonly storage: ContextStorage;
}

let storage: ContextStorage | undefined;

/** The storage behind {@link currentContext}, for a subscriber that binds it to a channel. */
export function contextStorage(): ContextStorage {
  // Kept here because it is asked for on every log line, and the slot never changes hands.
  storage ??= slot<ContextSlot>('context', 1, () => ({
    storage: new AsyncLocalStorage<InfraContext>(),
  })).storage;
  return storage;
}

/** The context of the work under way; empty outside of any. */
export function currentContext(): InfraContext {
  return contextStorage().getStore() ?? EMPTY;
}

/** Runs `fn` with `context` laid over the current one; everything it awaits sees the result. */
export function runWithContext<T>(context: InfraContext, fn: () => T): T {
  return contextStorage().run({ ...currentContext(), ...context }, fn);
}

/** The ids of the current context as every log line carries them: `trace_id`, `span_id` and `request_id`. */
export function contextIds(): Record<string, string> {
  const { trace, requestId } = currentContext();
  if (!trace) return requestId ? { request_id: requestId } : {};
  const ids = { trace_id: trace.traceId, span_id: trace.spanId };
  return requestId ? { ...ids, request_id: requestId } : ids;
}

/** Text fields a context is written into and read from: HTTP headers, a job's metadata. */
export type Carrier = Record<string, string | string[] | undefined>;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const TRACE_ID = /^(?!0+$)[0-9a-f]{32}$/;
const SPAN_ID = /^(?!0+$)[0-9a-f]{16}$/;
/** A member of `tracestate` (W3C Trace Context §3.3.1.3): a vendor's key, and its value of printable characters. */
const STATE_MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}$/;
const MAX_STATE_MEMBERS = 32;
/** Printable ASCII without blanks, of a length that cannot hurt. */
const REQUEST_ID = /^[\x21-\x7e]{1,200}$/;
const MAX_HEADER = 8192;
/** The least that every platform passes on (W3C Baggage §3.3.2), and the most we send. */
const MAX_BAGGAGE = { members: 64, bytes: MAX_HEADER };

/**
 * Writes a context into `carrier` as `traceparent`, `tracestate`, `baggage` and `x-request-id`. What could not be
 * read back, or would not be a valid header, is left out. @default the current context
 */
export function inject<C extends Carrier | Headers>(carrier: C, context: InfraContext = currentContext()): C {
  const { trace, requestId, baggage } = context;
  const put = (name: string, value: string): void => {
    if (isHeaders(carrier)) carrier.set(name, value);
    else (carrier as Carrier)[name] = value;
  };
  if (trace && TRACE_ID.test(trace.traceId) && SPAN_ID.test(trace.spanId)) {
    put('traceparent', `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`);
    const state = parseState(trace.state);
    if (state) put('tracestate', state);
  }
  if (requestId && REQUEST_ID.test(requestId)) put('x-request-id', requestId);
  const members = baggage && formatBaggage(baggage);
  if (members) put('baggage', members);
  return carrier;
}

/**
 * Reads a context from `carrier`. Whatever is malformed is left out and never throws: an invalid `traceparent`
 * means a new trace (W3C Trace Context §3.2).
 */
export function extract(carrier: Carrier | Headers): InfraContext {
  const field = (name: string): string | undefined => {
    const value = isHeaders(carrier) ? carrier.get(name) : carrier[name];
    const text = Array.isArray(value) ? value.join(',') : value;
    return typeof text === 'string' && text.length <= MAX_HEADER ? text.trim() : undefined;
  };
  const trace = parseTraceparent(field('traceparent'), field('tracestate'));
  const requestId = field('x-request-id');
  const baggage = parseBaggage(field('baggage'));
  return {
    ...(trace ? { trace } : {}),
    ...(requestId && REQUEST_ID.test(requestId) ? { requestId } : {}),
    ...(baggage ? { baggage } : {}),
  };
}

/** By its methods: a polyfill's or another realm's `Headers` is one too. */
const isHeaders = (carrier: Carrier | Headers): carrier is Headers => typeof carrier.get === 'function';

function parseTraceparent(header: string | undefined, state: string | undefined): TraceContext | undefined {
  const [, version, traceId, spanId, flags, rest] = TRACEPARENT.exec(header ?? '') ?? [];
  if (!version || !traceId || !spanId || !flags || version === 'ff' || (version === '00' && rest))
    return undefined;
  if (!TRACE_ID.test(traceId) || !SPAN_ID.test(spanId)) return undefined;
  const valid = parseState(state);
  const sampled = (Number.parseInt(flags, 16) & 1) === 1;
  return { traceId, spanId, sampled, ...(valid ? { state: valid } : {}) };
}

/** A `tracestate` without blanks between its members; `undefined` when one is malformed, as the standard wants it. */
function parseState(header: string | undefined): string | undefined {
  const members = header?.split(',').flatMap((member) => member.trim() || []) ?? [];
  const valid = members.length <= MAX_STATE_MEMBERS && members.every((member) => STATE_MEMBER.test(member));
  return valid && members.length > 0 ? members.join(',') : undefined;
}

function parseBaggage(header: string | undefined): Record<string, string> | undefined {
  const baggage: Record<string, string> = Object.create(null);
  for (const member of header?.split(',') ?? []) {
    const [pair = ''] = member.split(';');
    const at = pair.indexOf('=');
    if (at < 1) continue;
    try {
      const key = decodeURIComponent(pair.slice(0, at).trim());
      if (key) baggage[key] = decodeURIComponent(pair.slice(at + 1).trim());
    } catch {
      // A member that cannot be decoded is left out; the others stay.
    }
  }
  return Object.keys(baggage).length > 0 ? baggage : undefined;
}

function formatBaggage(baggage: Readonly<Record<string, string>>): string {
  const members: string[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(baggage)) {
    const member = encodeMember(key, value);
    if (!member || members.length === MAX_BAGGAGE.members) continue;
    if (bytes + member.length + 1 > MAX_BAGGAGE.bytes) continue;
    bytes += member.length + 1;
    members.push(member);
  }
  return members.join(',');
}

function encodeMember(key: string, value: string): string | undefined {
  try {
    return key && `${encodeURIComponent(key)}=${encodeURIComponent(value)}`;
  } catch {
    return undefined; // half of a surrogate pair has no encoding
  }
}
