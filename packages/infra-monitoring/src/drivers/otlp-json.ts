import type { TraceContext } from '@vibeonrails/infra-core';
import type { AttributeValue, FinishedSpan, SpanKind, SpanLink, SpanStatus } from '../tracing/span.ts';
import { VERSION } from '../version.ts';

/** One attribute, as OTLP's JSON has it. */
interface KeyValue {
  readonly key: string;
  readonly value: object;
}

/** OTLP's numbers: 0 says that none was given. */
const KINDS: Readonly<Record<SpanKind, number>> = {
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
};
const STATUSES: Readonly<Record<SpanStatus, number>> = { unset: 0, ok: 1, error: 2 };
const SAMPLED = 0x1;
const REMOTE_IS_KNOWN = 0x100;
const IS_REMOTE = 0x200;

/** What comes before and after the spans or metrics of a request. */
export interface Envelope {
  readonly start: string;
  readonly end: string;
}

/** Makes an {@link Envelope}. */
export function envelope(
  resource: Readonly<Record<string, string>>,
  signal: 'spans' | 'metrics' = 'spans',
): Envelope {
  const scope = { name: '@vibeonrails/infra-monitoring', version: VERSION };
  const title = signal === 'spans' ? 'Spans' : 'Metrics';
  const own = {
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.name': scope.name,
    'telemetry.sdk.version': VERSION,
  };
  const attributes = attributesOf({ ...own, ...resource });
  return {
    start: `{"resource${title}":[{"resource":${JSON.stringify({ attributes, droppedAttributesCount: 0 })},"scope${title}":[{"scope":${JSON.stringify(scope)},"${signal}":[`,
    end: ']}]}]}',
  };
}

/** One span as OTLP/HTTP JSON: ids in hexadecimal, enumerations as numbers, 64-bit integers as text. `undefined` for one no collector takes. */
export function spanJson(span: FinishedSpan): string | undefined {
  if (!isId(span.traceId, 32) || !isId(span.spanId, 16)) return undefined;
  const { error, dropped } = span;
  const hasParent = isId(span.parentSpanId, 16);
  const start = nanos(span.startTime);
  const status = { code: STATUSES[span.status], ...(error ? { message: wellFormed(error.message) } : {}) };
  const added: Record<string, AttributeValue> = {};
  if (error) added['error.type'] = error.type;
  if (span.abandoned) added['infra.abandoned'] = true;
  return JSON.stringify({
    traceId: span.traceId,
    spanId: span.spanId,
    ...(hasParent ? { parentSpanId: span.parentSpanId } : {}),
    ...(span.state === undefined ? {} : { traceState: wellFormed(span.state) }),
    flags: flagsOf(span.sampled, hasParent ? span.parentIsRemote : false),
    name: wellFormed(span.name),
    kind: KINDS[span.kind] ?? KINDS.internal,
    startTimeUnixNano: String(start),
    endTimeUnixNano: String(start + BigInt(Math.max(0, Math.round(span.duration * 1e6)))),
    attributes: attributesOf({ ...span.attributes, ...added }),
    droppedAttributesCount: dropped?.attributes ?? 0,
    events: eventsOf(span),
    droppedEventsCount: dropped?.events ?? 0,
    links: span.links.filter(isLinkable).map(linkJson),
    droppedLinksCount: dropped?.links ?? 0,
    status,
  });
}

/** What went wrong is an event too: backends show the stack of those. */
function eventsOf({ events, error, startTime, duration }: FinishedSpan): object[] {
  const all = events.map(({ name, time, attributes }) => ({
    timeUnixNano: String(nanos(time)),
    name: wellFormed(name),
    attributes: attributesOf(attributes),
    droppedAttributesCount: 0,
  }));
  if (!error?.stack) return all;
  const { type, message, stack } = error;
  const attributes = { 'exception.type': type, 'exception.message': message, 'exception.stacktrace': stack };
  const time = String(nanos(startTime + Math.max(0, duration)));
  return [
    ...all,
    {
      timeUnixNano: time,
      name: 'exception',
      attributes: attributesOf(attributes),
      droppedAttributesCount: 0,
    },
  ];
}

/** Nanoseconds. A number of milliseconds this large has microseconds left, not more. */
export const nanos = (ms: number): bigint => BigInt(Math.round(ms * 1000)) * 1000n;

/** True for a W3C id of so many digits. */
export const isId = (id: string | undefined, digits: number): boolean =>
  id !== undefined && id.length === digits && /^(?!0+$)[0-9a-f]+$/.test(id);

const isLinkable = ({ traceId, spanId }: TraceContext): boolean => isId(traceId, 32) && isId(spanId, 16);

/** W3C's flags, and whether the context they are of, the parent's or the link's, came from another process. */
const flagsOf = (sampled: boolean, isRemote: boolean | undefined): number =>
  (sampled ? SAMPLED : 0) | (isRemote === undefined ? 0 : REMOTE_IS_KNOWN) | (isRemote ? IS_REMOTE : 0);

const linkJson = ({ traceId, spanId, state, sampled, isRemote, attributes = {} }: SpanLink): object => ({
  traceId,
  spanId,
  ...(state === undefined ? {} : { traceState: wellFormed(state) }),
  attributes: attributesOf(attributes),
  droppedAttributesCount: 0,
  flags: flagsOf(sampled, isRemote),
});

/** Attributes, as OTLP has them. */
export function attributesOf(attributes: Readonly<Record<string, AttributeValue>>): KeyValue[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key: wellFormed(key),
    value: valueJson(value),
  }));
}

function valueJson(value: AttributeValue): object {
  switch (typeof value) {
    case 'string':
      return { stringValue: wellFormed(value) };
    case 'boolean':
      return { boolValue: value };
    case 'number':
      if (Number.isSafeInteger(value)) return { intValue: String(value) };
      // JSON has no word for these; its mapping of protobuf writes them as text.
      return { doubleValue: Number.isFinite(value) ? value : String(value) };
    default:
      return { arrayValue: { values: value.map(valueJson) } };
  }
}

/** Half a surrogate pair makes a collector refuse everything that came with it. */
export const wellFormed = (text: string): string =>
  /\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, '\uFFFD') : text;
