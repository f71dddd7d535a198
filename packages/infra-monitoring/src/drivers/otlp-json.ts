import type { TraceContext } from '@vibeonrails/infra-core';
import type { AttributeValue, FinishedSpan, SpanKind, SpanStatus } from '../tracing/span.ts';
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
const SAMPLED = 1;

/** What comes before and after the spans of a request. */
export function envelope(resource: Readonly<Record<string, string>>): { start: string; end: string } {
  const scope = { name: '@vibeonrails/infra-monitoring', version: VERSION };
  const own = {
    'telemetry.sdk.name': scope.name,
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': VERSION,
  };
  const attributes = attributesOf({ ...own, ...resource });
  return {
    start: `{"resourceSpans":[{"resource":${JSON.stringify({ attributes })},"scopeSpans":[{"scope":${JSON.stringify(scope)},"spans":[`,
    end: ']}]}]}',
  };
}

/** One span as OTLP/HTTP JSON: ids in hexadecimal, enumerations as numbers, 64-bit integers as text. `undefined` for one no collector takes. */
export function spanJson(span: FinishedSpan): string | undefined {
  if (!isId(span.traceId, 32) || !isId(span.spanId, 16)) return undefined;
  const { error } = span;
  const start = nanos(span.startTime);
  const status = { code: STATUSES[span.status], ...(error ? { message: wellFormed(error.message) } : {}) };
  const added: Record<string, AttributeValue> = {};
  if (error) added['error.type'] = error.type;
  if (span.abandoned) added['infra.abandoned'] = true;
  return JSON.stringify({
    traceId: span.traceId,
    spanId: span.spanId,
    ...(isId(span.parentSpanId, 16) ? { parentSpanId: span.parentSpanId } : {}),
    ...(span.state === undefined ? {} : { traceState: wellFormed(span.state) }),
    flags: SAMPLED,
    name: wellFormed(span.name),
    kind: KINDS[span.kind] ?? KINDS.internal,
    startTimeUnixNano: String(start),
    endTimeUnixNano: String(start + BigInt(Math.max(0, Math.round(span.duration * 1e6)))),
    attributes: attributesOf({ ...span.attributes, ...added }),
    events: [],
    links: span.links.filter(isLinkable).map(linkJson),
    status,
  });
}

/** A number of milliseconds this large has microseconds left, not more. */
const nanos = (ms: number): bigint => BigInt(Math.round(ms * 1000)) * 1000n;

const isId = (id: string | undefined, digits: number): boolean =>
  id !== undefined && id.length === digits && /^(?!0+$)[0-9a-f]+$/.test(id);

const isLinkable = ({ traceId, spanId }: TraceContext): boolean => isId(traceId, 32) && isId(spanId, 16);

const linkJson = ({ traceId, spanId, state, sampled }: TraceContext): object => ({
  traceId,
  spanId,
  ...(state === undefined ? {} : { traceState: wellFormed(state) }),
  attributes: [],
  flags: sampled ? SAMPLED : 0,
});

function attributesOf(attributes: Readonly<Record<string, AttributeValue>>): KeyValue[] {
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
const wellFormed = (text: string): string =>
  /\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, '\uFFFD') : text;
