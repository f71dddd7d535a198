import type { Env } from '@vibeonrails/infra-core';
import type { MonitoringValues } from './config.ts';
import { serviceName } from './core.ts';
import type { MonitoringExporter } from './driver.ts';
import { DIALECTS, type OtlpOptions, otlp, type StatsdOptions, statsd } from './drivers.ts';

/** The exporters that variables choose: StatsD, and a collector for traces. */
export function exportersFrom(values: MonitoringValues, env: Env | undefined): MonitoringExporter[] {
  const toStatsd = statsdFrom(values);
  const toCollector = otlpFrom(values, env);
  return [...(toStatsd ? [statsd(toStatsd)] : []), ...(toCollector ? [otlp(toCollector)] : [])];
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

function otlpFrom(values: MonitoringValues, env: Env | undefined): OtlpOptions | undefined {
  const endpoint = values.OTEL_EXPORTER_OTLP_ENDPOINT;
  const tracesEndpoint = values.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  if (endpoint === undefined && tracesEndpoint === undefined) return undefined;
  const timeout = values.OTEL_EXPORTER_OTLP_TRACES_TIMEOUT;
  const resource = Object.fromEntries(parsePairs(values.OTEL_RESOURCE_ATTRIBUTES ?? '') ?? []);
  const service = nameOf(env, resource);
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(tracesEndpoint === undefined ? {} : { tracesEndpoint }),
    ...(timeout === undefined ? {} : { timeout }),
    compression: values.OTEL_EXPORTER_OTLP_TRACES_COMPRESSION ?? 'none',
    headers: Object.fromEntries(parsePairs(values.OTEL_EXPORTER_OTLP_TRACES_HEADERS ?? '') ?? []),
    resource: { ...resource, ...(service === undefined ? {} : { 'service.name': service }) },
  };
}

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
