import type { MetricSnapshot } from '../metrics/registry.ts';
import type { Exemplar } from '../metrics/series.ts';
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

/** How a metric is written: what stands before and after its data points, and the point of each series. */
export interface MetricJson {
  readonly start: string;
  /** The data points, one at a time, since there may be many. */
  points(): Generator<string, void, undefined>;
  readonly end: string;
}

/** Makes the {@link MetricJson} of a metric. */
export function metricJson(metric: MetricSnapshot, { start, now }: Period): MetricJson {
  const base = metric.type === 'counter' ? metric.name.replace(/_total$/, '') : metric.name;
  const head = {
    name: conventional(base),
    description: wellFormed(metric.help ?? ''),
    unit: unitOf(metric.unit ?? base.slice(base.lastIndexOf('_') + 1), metric.unit),
  };
  // Written out, here and below: there may be a hundred thousand, and objects for each of them are garbage.
  const times = `{"startTimeUnixNano":"${start}","timeUnixNano":"${now}","attributes":`;
  const open = JSON.stringify(head).slice(0, -1);
  const kinds = {
    histogram: `"histogram":{"aggregationTemporality":${CUMULATIVE},`,
    counter: `"sum":{"aggregationTemporality":${CUMULATIVE},"isMonotonic":true,`,
    gauge: '"gauge":{',
  };
  return {
    start: `${open},${kinds[metric.type]}"dataPoints":[`,
    *points() {
      if (metric.type === 'histogram')
        for (const series of metric.series) yield `${times}${histogramJson(series)}}`;
      else
        for (const { labels, value } of metric.series)
          yield `${times}${labelsJson(labels)},"asDouble":${numberJson(value)}}`;
    },
    end: ']}}',
  };
}

type HistogramSeries = Extract<MetricSnapshot, { type: 'histogram' }>['series'][number];

function histogramJson({ labels, count, sum, min, max, buckets }: HistogramSeries): string {
  let before = 0;
  let counts = '';
  let bounds = '';
  const exemplars: object[] = [];
  for (const { le, count: upTo, exemplar } of buckets) {
    counts += `${counts === '' ? '' : ','}"${upTo - before}"`;
    if (le !== Number.POSITIVE_INFINITY) bounds += `${bounds === '' ? '' : ','}${le}`;
    if (exemplar) exemplars.push(...exemplarOf(exemplar));
    before = upTo;
  }
  const range = `"sum":${numberJson(sum)},"min":${min},"max":${max}`;
  const shown = exemplars.length === 0 ? '' : `,"exemplars":${JSON.stringify(exemplars)}`;
  return `${labelsJson(labels)},"count":"${count}",${range},"bucketCounts":[${counts}],"explicitBounds":[${bounds}]${shown}`;
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

const labelsJson = (labels: Readonly<Record<string, string>>): string =>
  JSON.stringify(
    attributesOf(
      Object.fromEntries(
        Object.entries(labels).map(([name, value]) => [
          conventional(name),
          NUMBERS.has(name) && /^\d{1,9}$/.test(value) ? Number(value) : value,
        ]),
      ),
    ),
  );

/** JSON has no word for the others; its mapping of protobuf writes them as text. */
const numberOf = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

const numberJson = (value: number): string => (Number.isFinite(value) ? String(value) : `"${value}"`);
