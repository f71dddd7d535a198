import type { TraceContext } from '@vibeonrails/infra-core';
import { contextStorage, isThenable, systemClock, type Timer, timerOn, toMs } from './core.ts';
import { MonitoringOptionError, wholeNumber } from './errors.ts';
import type { BridgedSpan, TracingBridge } from './tracing/bridge.ts';
import { ErrorTraces, LiveSpans } from './tracing/live-spans.ts';
import { RecordedSpan, spanName } from './tracing/recorded-span.ts';
import type { Span, SpanOptions } from './tracing/span.ts';
import type { Sampler, SamplerName, SamplerOption, TracerCore, TracerOptions } from './tracing/tracer.ts';

/** The trace part of a context in which `span` is the current one. */
export function contextOf({ traceId, spanId, sampled, state }: Span): TraceContext {
  return state === undefined ? { traceId, spanId, sampled } : { traceId, spanId, sampled, state };
}

/**
 * Makes a tracer.
 *
 * @throws {@link MonitoringOptionError} `E_MONITORING_OPTION`, or `E_DURATION`, for a limit that cannot be.
 */
export function createTracer(options: TracerOptions): TracerCore {
  const { maxOpenSpans = 10_000, clock = systemClock, keepErrors = false, onEnd } = options;
  wholeNumber('maxOpenSpans', maxOpenSpans);
  const maxAge = toMs(options.maxSpanAge ?? '10m');
  if (options.tracing === false) return NO_TRACER;
  const timer = timerOn(clock);
  const errors = keepErrors ? new ErrorTraces(maxOpenSpans, onEnd) : undefined;
  const live = new LiveSpans({
    clock,
    timer,
    maxOpen: maxOpenSpans,
    maxAge,
    onEnd: errors ? (span) => (span.sampled ? onEnd(span) : errors.ended(span)) : onEnd,
    onLost: options.onLost,
  });
  return tracerOver(live, timer, options.sampler ?? samplerOf('parentbased_always_on'), errors);
}

function tracerOver(
  live: LiveSpans,
  timer: Timer,
  sampler: Sampler,
  errors: ErrorTraces | undefined,
): TracerCore {
  const storage = contextStorage();
  let bridge: TracingBridge | undefined;

  const begin = (name: string, how: SpanOptions | undefined): Span => {
    const parent = how?.parent === undefined ? current() : (how.parent ?? undefined);
    let startedAt: number | undefined;
    let bridged: BridgedSpan | undefined;
    if (bridge !== undefined) {
      // One start for both, so that neither ends before it began.
      startedAt = timer.elapsed();
      bridged = bridge.start(spanName(name), parent, how, timer.epoch(startedAt));
    }
    const traceId = bridged?.traceId ?? parent?.traceId ?? newTraceId();
    const span: Span = {
      traceId,
      spanId: bridged?.spanId ?? newSpanId(),
      parentSpanId: parent?.spanId,
      name: spanName(name),
      kind: how?.kind ?? 'internal',
      sampled: !live.closed && (bridged?.sampled ?? sampler(traceId, parent?.sampled)),
      state: bridged ? bridged.state : parent?.state,
    };
    if (span.sampled) return live.add(span, how, bridged, startedAt);
    if (errors === undefined || live.closed) return span;
    const recorded = live.add(span, how, undefined);
    errors.started(traceId);
    return recorded;
  };
  const current = (): TraceContext | undefined => {
    const trace = storage.getStore()?.trace;
    return bridge === undefined ? trace : bridge.current(trace);
  };
  const fail = (span: RecordedSpan, error: unknown): void => live.finish(span, { error, status: 'error' });

  const tracer: TracerCore = {
    tracing: true,
    records: (span) => span instanceof RecordedSpan,
    startSpan(name, how) {
      try {
        return begin(name, how);
      } catch {
        // An option that throws when read: the work goes on, under a span without it.
        return begin(name, undefined);
      }
    },
    setSpanAttributes: (spanId, attributes) => live.get(spanId)?.assign(attributes),
    addSpanEvent(spanId, name, attributes) {
      const span = live.get(spanId);
      if (span) span.addEvent(name, timer.epoch(timer.elapsed()), attributes);
    },
    endSpan: (spanId, how) => live.end(spanId, how),
    withSpan<T>(name: string, fn: (span: Span) => T, how?: SpanOptions): T {
      const span = tracer.startSpan(name, how);
      const surrounding = storage.getStore();
      const trace = contextOf(span);
      // Written out, here and below: what this allocates is most of what it costs.
      const context = surrounding === undefined ? { trace } : { ...surrounding, trace };
      if (!(span instanceof RecordedSpan)) return storage.run(context, fn, span);
      let result: T;
      try {
        result = storage.run(context, fn, span);
      } catch (thrown) {
        fail(span, thrown);
        throw thrown;
      }
      if (!(result instanceof Promise) && !isThenable(result)) {
        live.finish(span);
        return result;
      }
      return result.then(
        (value) => {
          live.finish(span);
          return value;
        },
        (thrown: unknown) => {
          fail(span, thrown);
          throw thrown;
        },
      ) as T;
    },
    activeSpan() {
      const spanId = storage.getStore()?.trace?.spanId;
      return spanId === undefined ? undefined : live.get(spanId);
    },
    bridgeTo(other) {
      bridge = other;
      return () => {
        if (bridge === other) bridge = undefined;
      };
    },
    close: () => live.close(),
  };
  return tracer;
}

/** What stands for every span while tracing is off: ids that no standard takes for real ones. */
const NO_SPAN: Span = Object.freeze({
  traceId: '0'.repeat(32),
  spanId: '0'.repeat(16),
  parentSpanId: undefined,
  name: 'none',
  kind: 'internal',
  sampled: false,
  state: undefined,
});
const nothing = (): undefined => undefined;

const NO_TRACER: TracerCore = {
  tracing: false,
  records: () => false,
  startSpan: () => NO_SPAN,
  setSpanAttributes: nothing,
  addSpanEvent: nothing,
  endSpan: nothing,
  withSpan: (_name, fn) => fn(NO_SPAN),
  activeSpan: nothing,
  bridgeTo: () => nothing,
  close: nothing,
};

/** The samplers that `OTEL_TRACES_SAMPLER` names. */
export const SAMPLERS: readonly SamplerName[] = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
];

/** 52 of the random bits of a trace id: as many as a number holds exactly. */
const randomness = (traceId: string): number => Number.parseInt(traceId.slice(19), 16) / 2 ** 52;

/**
 * Makes a sampler. The same trace id gets the same answer in every process with the same ratio.
 *
 * @throws {@link MonitoringOptionError} `E_MONITORING_OPTION` for a ratio outside 0 to 1 or an unknown name.
 */
export function samplerOf(option: SamplerOption, ratio = 1): Sampler {
  if (typeof option === 'number') return samplerOf('parentbased_traceidratio', option);
  if (!SAMPLERS.includes(option)) throw new MonitoringOptionError('sampler', option, SAMPLERS.join(', '));
  if (!(ratio >= 0 && ratio <= 1)) throw new MonitoringOptionError('sampler', ratio, 'a ratio from 0 to 1');
  const isParentBased = option.startsWith('parentbased_');
  const root: Sampler = option.endsWith('always_on')
    ? () => true
    : option.endsWith('always_off')
      ? () => false
      : (traceId) => randomness(traceId) >= 1 - ratio;
  return isParentBased ? (traceId, parentSampled) => parentSampled ?? root(traceId, undefined) : root;
}

const POOL = 16_384;
/** Bytes written out as text at a time. An id is a slice of that text and keeps it alive, so it is short. */
const CHUNK = 256;
const pool = Buffer.alloc(POOL);
let nextChunk = POOL;
let text = '';
let at = 0;

/** Random hexadecimal digits: one call to the system serves some hundred ids. */
function take(digits: number): string {
  if (at + digits > text.length) {
    if (nextChunk === POOL) {
      crypto.getRandomValues(pool);
      nextChunk = 0;
    }
    text = pool.toString('hex', nextChunk, nextChunk + CHUNK);
    nextChunk += CHUNK;
    at = 0;
  }
  at += digits;
  return text.slice(at - digits, at);
}

/** A new W3C trace id. */
const newTraceId = (): string => take(32);

/** A new W3C span id. */
const newSpanId = (): string => take(16);
