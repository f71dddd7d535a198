import type { Env } from '@vibeonrails/infra-core';
import type { MonitoringValues } from './config.ts';
import { serviceName } from './core.ts';
import type { MonitoringExporter } from './driver.ts';
import { consoleExporter, DIALECTS, type OtlpOptions, otlp, type StatsdOptions, statsd } from './drivers.ts';

/** The exporters that variables choose: StatsD, a collector for traces and metrics, a tree on the terminal. */
export function exportersFrom(values: MonitoringValues, env: Env | undefined): MonitoringExporter[] {
  const toStatsd = statsdFrom(values);
  const toTerminal = values.OTEL_TRACES_EXPORTER === 'console' && !values.OTEL_SDK_DISABLED;
  return [
    ...(toStatsd ? [statsd(toStatsd)] : []),
    ...(toTerminal ? [consoleExporter()] : []),
    ...otlpFrom(values, env),
  ];
}

function statsdFrom(values: MonitoringValues): StatsdOptions | undefined {
  const { STATSD_URL: address, DD_AGENT_HOST: host, DD_DOGSTATSD_PORT: port } = values;
  const chosen: StatsdOptions | string | undefined =
    address === undefined
      ? host && { host, dialect: 'datadog', ...(port === undefined ? {} : { port }) }
      : parseStatsdUrl(address);
  if (typeof chosen !== 'object') return undefined;
  return chosen.dialect === 'datadog' ? { ...chosen, tags: datadogTags(values) } : chosen;
}

/** The tags by which Datadog joins metrics, traces and logs. */
function datadogTags(values: MonitoringValues): Record<string, string> {
  const tags = {
    env: values.DD_ENV,
    service: values.DD_SERVICE,
    version: values.DD_VERSION,
    'dd.internal.entity_id': values.DD_ENTITY_ID,
  };
  return Object.fromEntries(Object.entries(tags).flatMap(([tag, value]) => (value ? [[tag, value]] : [])));
}

/** Takes `udp://host:port?dialect=…&prefix=…` apart; a text says what was expected of it. */
export function parseStatsdUrl(text: string): StatsdOptions | string {
  const { protocol, hostname, port, pathname, username, searchParams, hash } = new URL(text);
  if (hostname === '' || username !== '' || hash !== '' || (pathname !== '' && pathname !== '/'))
    return 'udp://host:port or tcp://host:port, and nothing else before a "?"';
  if (port === '0') return 'a port from 1 to 65535';
  const unknown = [...searchParams.keys()].find((name) => name !== 'dialect' && name !== 'prefix');
  if (unknown !== undefined) return 'no parameters but "dialect" and "prefix"';
  const dialect = DIALECTS.find((name) => name === (searchParams.get('dialect') ?? 'statsd'));
  if (dialect === undefined) return `a dialect of ${DIALECTS.join(' or ')}`;
  const prefix = searchParams.get('prefix') ?? '';
  if (!/^[\w.-]*$/.test(prefix)) return 'a prefix of letters, digits, "_", "-" and "."';
  return {
    protocol: protocol === 'tcp:' ? 'tcp' : 'udp',
    host: hostname.replace(/^\[|\]$/g, ''),
    ...(port === '' ? {} : { port: Number(port) }),
    dialect,
    prefix,
  };
}

/** One exporter a signal, since each may have headers, a time limit and an address of its own. */
function otlpFrom(values: MonitoringValues, env: Env | undefined): MonitoringExporter[] {
  if (values.OTEL_SDK_DISABLED) return [];
  const signals = SIGNALS.filter((signal) => isChosen(values, signal));
  if (signals.length === 0) return [];
  const resource = Object.fromEntries(parsePairs(values.OTEL_RESOURCE_ATTRIBUTES ?? '') ?? []);
  const service = nameOf(env, resource);
  const shared = defined({
    endpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
    interval: values.OTEL_BSP_SCHEDULE_DELAY,
    maxQueue: values.OTEL_BSP_MAX_QUEUE_SIZE,
    maxBatch: values.OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
    resource: { ...resource, ...(service === undefined ? {} : { 'service.name': service }) },
  });
  return signals.map((signal) => otlp({ ...shared, ...signalFrom(values, signal), signals: [signal] }));
}

const SIGNALS = ['traces', 'metrics'] as const;
type Signal = (typeof SIGNALS)[number];

const upper = <S extends Signal>(signal: S): Uppercase<S> => signal.toUpperCase() as Uppercase<S>;

function isChosen(values: MonitoringValues, signal: Signal): boolean {
  const chosen = values[`OTEL_${upper(signal)}_EXPORTER`];
  if (chosen !== undefined) return chosen === 'otlp';
  const own = values[`OTEL_EXPORTER_OTLP_${upper(signal)}_ENDPOINT`];
  return (own ?? values.OTEL_EXPORTER_OTLP_ENDPOINT) !== undefined;
}

function signalFrom(values: MonitoringValues, signal: Signal): OtlpOptions {
  const prefix = `OTEL_EXPORTER_OTLP_${upper(signal)}` as const;
  const own = values[`${prefix}_ENDPOINT`];
  return {
    ...(own === undefined ? {} : { [`${signal}Endpoint`]: own }),
    ...defined({ timeout: values[`${prefix}_TIMEOUT`] }),
    compression: values[`${prefix}_COMPRESSION`] ?? 'none',
    headers: Object.fromEntries(parsePairs(values[`${prefix}_HEADERS`] ?? '') ?? []),
  };
}

/** What of `options` has a value. */
const defined = <O extends object>(options: O): { [K in keyof O]?: Exclude<O[K], undefined> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;

/** A variable of its own comes before the attribute, and that before a guess from package.json. */
function nameOf(env: Env = process.env, resource: Record<string, string>): string | undefined {
  const isNamed = [env.SERVICE_NAME, env.OTEL_SERVICE_NAME].some((name) => name?.trim());
  return isNamed ? serviceName(env) : (resource['service.name'] ?? serviceName(env));
}

/** Pairs as OpenTelemetry writes them: `name=value,name=value`, percent-encoded; `undefined` for anything else. */
export function parsePairs(text: string): [string, string][] | undefined {
  try {
    const items = text.split(',').filter((item) => item.trim() !== '');
    return items.map((item) => {
      const at = item.indexOf('=');
      const name = decodeURIComponent(item.slice(0, Math.max(0, at)).trim());
      if (name === '') throw new Error('no name');
      return [name, decodeURIComponent(item.slice(at + 1).trim())];
    });
  } catch {
    return undefined;
  }
}
