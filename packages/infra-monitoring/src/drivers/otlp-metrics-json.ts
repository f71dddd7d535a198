import type { Exemplar } from '../metrics/family.ts';
import type { MetricSnapshot } from '../metrics.ts';
import { attributesOf, isId, nanos, wellFormed } from './otlp-json.ts';

/** Names that OpenTelemetry's conventions write with dots, which a scrape cannot have. */
const CONVENTIONS: Readonly<Record<string, string>> = {
  http_server_request_duration_seconds: 'http.server.request.duration',
  http_client_request_duration_seconds: 'http.client.request.duration',
  db_client_operation_duration_seconds: 'db.client.operation.duration',
  http_request_method: 'http.request.method',
  http_response_status_code: 'http.response.status_code',
  http_route: 'http.route',
  url_scheme: 'url.scheme',
  error_type: 'error.type',
  server_address: 'server.address',
  server_port: 'server.port',
  db_system_name: 'db.system.name',
  db_operation_name: 'db.operation.name',
};
/** Labels that a convention wants as numbers; a scrape knows text alone. */
const NUMBERS = new Set(['http_response_status_code', 'server_port']);
/** Units as UCUM writes them, which OpenTelemetry wants. */
const UNITS: Readonly<Record<string, string>> = {
  seconds: 's',
  milliseconds: 'ms',
  ms: 'ms',
  bytes: 'By',
  ratio: '1',
};
const CUMULATIVE = 2;

/** When the values began to count, and when they were read: nanoseconds. */
export interface Period {
  readonly start: string;
  readonly now: string;
}

/** The period between two moments in milliseconds. */
export const periodOf = (start: number, now: number): Period => ({
  start: String(nanos(start)),
  now: String(nanos(now)),
});

/** Each series of a metric as a JSON data point, and what stands before and after them. */
export function metricJson(
  metric: MetricSnapshot,
  { start, now }: Period,
): { readonly start: string; readonly points: string[]; readonly end: string } {
  const base = metric.type === 'counter' ? metric.name.replace(/_total$/, '') : metric.name;
  const head = {
    name: conventional(base),
    description: wellFormed(metric.help ?? ''),
    unit: unitOf(metric.unit ?? base.slice(base.lastIndexOf('_') + 1), metric.unit),
  };
  const times = { startTimeUnixNano: start, timeUnixNano: now };
  const open = JSON.stringify(head).slice(0, -1);
  if (metric.type === 'histogram')
    return {
      start: `${open},"histogram":{"aggregationTemporality":${CUMULATIVE},"dataPoints":[`,
      points: metric.series.map((series) => JSON.stringify({ ...times, ...histogramOf(series) })),
      end: ']}}',
    };
  const points = metric.series.map(({ labels, value }) =>
    JSON.stringify({ ...times, attributes: labelsOf(labels), asDouble: numberOf(value) }),
  );
  return metric.type === 'counter'
    ? {
        start: `${open},"sum":{"aggregationTemporality":${CUMULATIVE},"isMonotonic":true,"dataPoints":[`,
        points,
        end: ']}}',
      }
    : { start: `${open},"gauge":{"dataPoints":[`, points, end: ']}}' };
}

type HistogramSeries = Extract<MetricSnapshot, { type: 'histogram' }>['series'][number];

function histogramOf({ labels, count, sum, min, max, buckets }: HistogramSeries): object {
  let before = 0;
  const exemplars = buckets.flatMap(({ exemplar }) => (exemplar ? exemplarOf(exemplar) : []));
  return {
    attributes: labelsOf(labels),
    count: String(count),
    sum: numberOf(sum),
    min,
    max,
    bucketCounts: buckets.map((bucket) => {
      const inside = bucket.count - before;
      before = bucket.count;
      return String(inside);
    }),
    explicitBounds: buckets.slice(0, -1).map(({ le }) => le),
    ...(exemplars.length === 0 ? {} : { exemplars }),
  };
}

const exemplarOf = ({ traceId, spanId, time, value }: Exemplar): object[] =>
  isId(traceId, 32) && isId(spanId, 16)
    ? [{ timeUnixNano: String(nanos(time)), asDouble: numberOf(value), traceId, spanId }]
    : [];

/** A label may be called like something every object has. */
const conventional = (name: string): string =>
  (Object.hasOwn(CONVENTIONS, name) ? CONVENTIONS[name] : undefined) ?? name;

const unitOf = (word: string, given: string | undefined): string =>
  (Object.hasOwn(UNITS, word) ? UNITS[word] : given) ?? '';

const labelsOf = (labels: Readonly<Record<string, string>>): object[] =>
  attributesOf(
    Object.fromEntries(
      Object.entries(labels).map(([name, value]) => [
        conventional(name),
        NUMBERS.has(name) && /^\d{1,9}$/.test(value) ? Number(value) : value,
      ]),
    ),
  );

/** JSON has no word for the others; its mapping of protobuf writes them as text. */
const numberOf = (value: number): number | string => (Number.isFinite(value) ? value : String(value));
