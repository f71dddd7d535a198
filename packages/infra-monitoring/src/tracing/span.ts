import type { TraceContext } from '@vibeonrails/infra-core';

/** What a span's attribute may hold. */
export type AttributeValue = string | number | boolean | readonly (string | number | boolean)[];

/** Facts about a span, by name. `undefined` and `null` leave one out. */
export type Attributes = Readonly<Record<string, AttributeValue | null | undefined>>;

/** What a span does in its trace: serves a request, calls another service, puts a message out, takes one in, or none of these. */
export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

/** How it went; `unset` when nobody said so. */
export type SpanStatus = 'unset' | 'ok' | 'error';

/** A piece of work under way. It is plain data: the calls that change it take its `spanId`. */
export interface Span {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** 16 lower-case hexadecimal digits. */
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  /** False when the sampler left the trace out: nothing is recorded then. */
  readonly sampled: boolean;
  /** The `tracestate` header it goes on with. */
  readonly state: string | undefined;
}

/** Something that happened at one moment of a span. */
export interface SpanEvent {
  readonly name: string;
  /** Milliseconds since the Unix epoch, with fractions. */
  readonly time: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** Another span that one has to do with. */
export interface SpanLink extends TraceContext {
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** True when it came from another process, false when not; absent where that cannot be told. */
  readonly isRemote?: boolean;
}

/** A span that is over. */
export interface FinishedSpan extends Span {
  /** Milliseconds since the Unix epoch, with fractions. */
  readonly startTime: number;
  /** Milliseconds. */
  readonly duration: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly links: readonly SpanLink[];
  /** What happened in it, in the order it was told. */
  readonly events: readonly SpanEvent[];
  readonly status: SpanStatus;
  /** What went wrong, when the status is `error` and a reason was given. */
  readonly error?: { readonly type: string; readonly message: string; readonly stack?: string };
  /** True when its parent came from another process, false when not; absent where that cannot be told. */
  readonly parentIsRemote?: boolean | undefined;
  /** How much of it was over its bounds of 128 each, and left out; absent when nothing was. */
  readonly dropped?: { readonly attributes: number; readonly events: number; readonly links: number };
  /** True when nobody ended it: it was open for too long, too many were, or the process shut down. */
  readonly abandoned?: true;
}

/** How {@link Tracer.startSpan} starts. */
export interface SpanOptions {
  /** The span it belongs under; `null` starts a new trace. @default the span of the current context */
  readonly parent?: TraceContext | Span | null;
  /** @default 'internal' */
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** Other spans it has to do with, such as those of the messages in a batch. */
  readonly links?: readonly (Span | (TraceContext & { readonly attributes?: Attributes }))[];
}

/** How {@link Tracer.endSpan} ends. */
export interface EndSpanOptions {
  /** What went wrong: sets the status `error`. */
  readonly error?: unknown;
  /** @default 'unset', or 'error' with an error */
  readonly status?: SpanStatus;
  /** Milliseconds since the Unix epoch, for work that was over before. @default now */
  readonly endTime?: number;
  /** A name that says more than the one it started with, such as a request's once its route is known. */
  readonly name?: string;
}
