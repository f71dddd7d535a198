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
