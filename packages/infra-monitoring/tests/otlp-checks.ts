export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  name: string;
  flags: number;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Record<string, unknown>;
  events: { name: string; timeUnixNano: string; attributes: Record<string, unknown> }[];
  links: { traceId: string; spanId: string; flags: number }[];
  status: { code: number; message?: string };
}

export interface ReceivedMetric {
  name: string;
  unit: string;
  /** `sum`, `gauge` or `histogram`. */
  type: string;
  points: Record<string, unknown>[];
}

/** Fails unless it holds. */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not OTLP: ${what}`);
}

type Json = Record<string, unknown>;

/** Fails for a field that is missing, of another form, or not among `fields`. */
function fields(value: unknown, required: Record<string, Check>, optional: Record<string, Check> = {}): Json {
  must(
    typeof value === 'object' && value !== null && !Array.isArray(value),
    `no object ${JSON.stringify(value)}`,
  );
  const object = value as Json;
  for (const [name, check] of Object.entries(required))
    must(check(object[name]), `${name} ${JSON.stringify(object[name])}`);
  for (const name of Object.keys(object)) {
    const check = required[name] ?? optional[name];
    must(check !== undefined, `unknown field ${name}`);
    must(check?.(object[name]) === true, `${name} ${JSON.stringify(object[name])}`);
  }
  return object;
}

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === 'string' && !/\p{Surrogate}/u.test(value);
const list: Check = Array.isArray;
const object: Check = (value) => typeof value === 'object' && value !== null;
const between =
  (from: number, to: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= from && (value as number) <= to;
const id =
  (digits: number): Check =>
  (value) =>
    typeof value === 'string' && new RegExp(`^(?!0+$)[0-9a-f]{${digits}}$`).test(value);
const count: Check = (value) => Number.isInteger(value) && (value as number) >= 0;
const uint64: Check = (value) => typeof value === 'string' && /^\d{1,20}$/.test(value);

/** The spans of a body whose every field has its form. */
export function spansIn(body: unknown, resources: Json[]): ReceivedSpan[] {
  const { resourceSpans } = fields(body, { resourceSpans: list }) as { resourceSpans: unknown[] };
  return resourceSpans.flatMap((one) => {
    const { resource, scopeSpans } = fields(one, { resource: object, scopeSpans: list });
    resources.push(
      attributes((fields(resource, { attributes: list, droppedAttributesCount: count }) as Json).attributes),
    );
    return (scopeSpans as unknown[]).flatMap((scoped) => {
      const { scope, spans } = fields(scoped, { scope: object, spans: list });
      fields(scope, { name: text, version: text });
      must((spans as unknown[]).length > 0, 'an empty request');
      return (spans as unknown[]).map(spanOf);
    });
  });
}

/** The metrics of a body whose every field has its form. */
export function metricsIn(body: unknown, resources: Json[]): ReceivedMetric[] {
  const { resourceMetrics } = fields(body, { resourceMetrics: list }) as { resourceMetrics: unknown[] };
  return resourceMetrics.flatMap((one) => {
    const { resource, scopeMetrics } = fields(one, { resource: object, scopeMetrics: list });
    resources.push(
      attributes((fields(resource, { attributes: list, droppedAttributesCount: count }) as Json).attributes),
    );
    return (scopeMetrics as unknown[]).flatMap((scoped) => {
      const { scope, metrics } = fields(scoped, { scope: object, metrics: list });
      fields(scope, { name: text, version: text });
      must((metrics as unknown[]).length > 0, 'an empty request');
      return (metrics as unknown[]).map(metricOf);
    });
  });
}

const times = {
  startTimeUnixNano: (value: unknown) => uint64(value),
  timeUnixNano: (value: unknown) => uint64(value),
};
const double: Check = (value) => typeof value === 'number' || /^(NaN|-?Infinity)$/.test(String(value));

function metricOf(value: unknown): ReceivedMetric {
  const metric = fields(
    value,
    { name: text, description: text, unit: text },
    { sum: object, gauge: object, histogram: object },
  );
  const kinds = ['sum', 'gauge', 'histogram'].filter((kind) => kind in metric);
  must(kinds.length === 1, 'a metric of one kind');
  const [type = ''] = kinds;
  const temporality = { aggregationTemporality: between(1, 2) };
  const { dataPoints } = fields(metric[type], {
    dataPoints: list,
    ...(type === 'gauge' ? {} : temporality),
    ...(type === 'sum' ? { isMonotonic: (given: unknown) => typeof given === 'boolean' } : {}),
  });
  const points = (dataPoints as unknown[]).map((point) =>
    (type === 'histogram' ? histogramPoint : numberPoint)(point),
  );
  return { name: metric.name as string, unit: metric.unit as string, type, points };
}

function numberPoint(value: unknown): Json {
  const point = fields(value, { ...times, attributes: list, asDouble: double });
  return { ...point, attributes: attributes(point.attributes) };
}

function histogramPoint(value: unknown): Json {
  const point = fields(
    value,
    {
      ...times,
      attributes: list,
      count: uint64,
      sum: double,
      bucketCounts: list,
      explicitBounds: list,
      min: double,
      max: double,
    },
    { exemplars: list },
  );
  const counts = (point.bucketCounts as unknown[]).map((inside) => {
    must(uint64(inside), 'bucketCounts');
    return Number(inside);
  });
  must(counts.length === (point.explicitBounds as unknown[]).length + 1, 'a bucket more than bounds');
  must(counts.reduce((sum, count) => sum + count, 0) === Number(point.count), 'buckets that add up');
  for (const exemplar of (point.exemplars ?? []) as unknown[])
    fields(exemplar, { timeUnixNano: uint64, asDouble: double, traceId: id(32), spanId: id(16) });
  return { ...point, attributes: attributes(point.attributes) };
}

function spanOf(value: unknown): ReceivedSpan {
  const span = fields(
    value,
    {
      traceId: id(32),
      spanId: id(16),
      name: text,
      flags: between(0, 0x3ff),
      kind: between(1, 5),
      startTimeUnixNano: uint64,
      endTimeUnixNano: uint64,
      attributes: list,
      droppedAttributesCount: count,
      events: list,
      droppedEventsCount: count,
      links: list,
      droppedLinksCount: count,
      status: object,
    },
    { parentSpanId: id(16), traceState: text },
  );
  must(
    BigInt(span.endTimeUnixNano as string) >= BigInt(span.startTimeUnixNano as string),
    'ends before it starts',
  );
  for (const link of span.links as unknown[]) {
    const { attributes: own } = fields(
      link,
      {
        traceId: id(32),
        spanId: id(16),
        attributes: list,
        droppedAttributesCount: count,
        flags: between(0, 0x3ff),
      },
      { traceState: text },
    );
    attributes(own);
  }
  const events = (span.events as unknown[]).map((event) => {
    const known = fields(event, {
      timeUnixNano: uint64,
      name: text,
      attributes: list,
      droppedAttributesCount: count,
    });
    return {
      ...(known as unknown as ReceivedSpan['events'][number]),
      attributes: attributes(known.attributes),
    };
  });
  fields(span.status, { code: between(0, 2) }, { message: text });
  return { ...(span as unknown as ReceivedSpan), events, attributes: attributes(span.attributes) };
}

function attributes(value: unknown): Json {
  const pairs = (value as unknown[]).map((pair) => {
    const { key, value: given } = fields(pair, { key: text, value: object });
    return [key as string, anyValue(given)] as const;
  });
  must(new Set(pairs.map(([key]) => key)).size === pairs.length, 'an attribute twice');
  return Object.fromEntries(pairs);
}

function anyValue(value: unknown): unknown {
  const [[kind, content] = [], ...more] = Object.entries(value as Json);
  must(more.length === 0, 'a value of two kinds');
  switch (kind) {
    case 'stringValue':
      must(text(content), kind);
      return content;
    case 'boolValue':
      must(typeof content === 'boolean', kind);
      return content;
    case 'intValue':
      must(typeof content === 'string' && /^-?\d{1,19}$/.test(content), kind);
      return Number(content);
    case 'doubleValue':
      must(typeof content === 'number' || /^(NaN|-?Infinity)$/.test(String(content)), kind);
      return Number(content);
    case 'arrayValue':
      return (fields(content, { values: list }).values as unknown[]).map(anyValue);
    default:
      throw new Error(`not OTLP: a value of kind ${kind}`);
  }
}
