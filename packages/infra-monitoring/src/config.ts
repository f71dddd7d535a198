import type { Config, ConfigValues, Reader, ReportProblem } from '@vibeonrails/infra-core';
import { bool, defineConfig, int, oneOf, secret, text, url } from './core.ts';
import type { OtlpSignal, StatsdDialect, StatsdOptions } from './drivers/options.ts';
import type { SamplerName } from './tracing/tracer.ts';
import { SAMPLERS } from './tracing.ts';

/** What one signal may have of its own; what it has not, `OTEL_EXPORTER_OTLP_…` says for both. */
type SignalShape<S extends Uppercase<OtlpSignal>> = {
  readonly [name in `OTEL_EXPORTER_OTLP_${S}_${'ENDPOINT' | 'HEADERS'}`]: Reader<string | undefined>;
} & { readonly [name in `OTEL_EXPORTER_OTLP_${S}_TIMEOUT`]: Reader<number | undefined> } & {
  readonly [name in `OTEL_EXPORTER_OTLP_${S}_PROTOCOL`]: Reader<'http/json' | undefined>;
} & { readonly [name in `OTEL_EXPORTER_OTLP_${S}_COMPRESSION`]: Reader<'gzip' | 'none' | undefined> };

/** The variables of the monitoring, by the names OpenTelemetry and Datadog give them. */
export type MonitoringShape = SignalShape<'TRACES'> &
  SignalShape<'METRICS'> & {
    readonly OTEL_SDK_DISABLED: Reader<boolean>;
    readonly OTEL_TRACES_EXPORTER: Reader<'otlp' | 'console' | 'none' | undefined>;
    readonly OTEL_METRICS_EXPORTER: Reader<'otlp' | 'prometheus' | 'none' | undefined>;
    readonly OTEL_METRIC_EXPORT_INTERVAL: Reader<number | undefined>;
    readonly OTEL_BSP_SCHEDULE_DELAY: Reader<number | undefined>;
    readonly OTEL_BSP_MAX_QUEUE_SIZE: Reader<number | undefined>;
    readonly OTEL_BSP_MAX_EXPORT_BATCH_SIZE: Reader<number | undefined>;
    readonly OTEL_TRACES_SAMPLER: Reader<SamplerName>;
    readonly OTEL_TRACES_SAMPLER_ARG: Reader<string | undefined>;
    readonly STATSD_URL: Reader<string | undefined>;
    readonly DD_AGENT_HOST: Reader<string | undefined>;
    readonly DD_DOGSTATSD_PORT: Reader<number | undefined>;
    readonly DD_ENV: Reader<string | undefined>;
    readonly DD_SERVICE: Reader<string | undefined>;
    readonly DD_VERSION: Reader<string | undefined>;
    readonly DD_ENTITY_ID: Reader<string | undefined>;
    readonly OTEL_EXPORTER_OTLP_ENDPOINT: Reader<string | undefined>;
    readonly OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: Reader<string | undefined>;
    readonly OTEL_RESOURCE_ATTRIBUTES: Reader<string | undefined>;
  };

/** What they hold. */
export type MonitoringValues = ConfigValues<MonitoringShape>;

/** The variables of the monitoring. */
export const config: Config<MonitoringShape> = defineConfig<MonitoringShape>(
  {
    OTEL_SDK_DISABLED: bool({ default: false, description: 'true makes no spans and sends nothing by OTLP' }),
    OTEL_TRACES_EXPORTER: oneOf(['otlp', 'console', 'none'], {
      optional: true,
      description: 'where traces go; else otlp where an endpoint is set',
    }),
    OTEL_METRICS_EXPORTER: oneOf(['otlp', 'prometheus', 'none'], {
      optional: true,
      description: 'where metrics go besides the scrape; else otlp where an endpoint is set',
    }),
    OTEL_METRIC_EXPORT_INTERVAL: int({
      min: 1,
      optional: true,
      description: 'milliseconds between two pushes of metrics; else 10000',
    }),
    OTEL_BSP_SCHEDULE_DELAY: int({
      min: 1,
      optional: true,
      description: 'milliseconds a span waits for others; else 5000',
    }),
    OTEL_BSP_MAX_QUEUE_SIZE: int({ min: 1, optional: true, description: 'spans held; else 2048' }),
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: int({
      min: 1,
      optional: true,
      description: 'spans in a request; else 512',
    }),
    OTEL_TRACES_SAMPLER: oneOf(SAMPLERS, {
      default: 'parentbased_always_on',
      description: 'which traces are recorded',
    }),
    OTEL_TRACES_SAMPLER_ARG: text({ optional: true, description: 'the ratio of a traceidratio sampler' }),
    STATSD_URL: url({
      protocols: ['udp', 'tcp'],
      optional: true,
      description: 'sends metrics to StatsD: udp://host:8125?dialect=statsd&prefix=app',
    }),
    DD_AGENT_HOST: text({ optional: true, description: 'sends metrics to the Datadog agent there' }),
    DD_DOGSTATSD_PORT: int({ min: 1, max: 65_535, optional: true, description: 'its port; else 8125' }),
    DD_ENV: text({ optional: true, description: 'the tag env, for Datadog' }),
    DD_SERVICE: text({ optional: true, description: 'the tag service, for Datadog' }),
    DD_VERSION: text({ optional: true, description: 'the tag version, for Datadog' }),
    DD_ENTITY_ID: text({ optional: true, description: 'the pod, by which the agent finds its tags' }),
    OTEL_EXPORTER_OTLP_ENDPOINT: url({
      optional: true,
      description: 'sends traces and metrics to the collector there, under /v1/traces and /v1/metrics',
    }),
    ...signalVariables('TRACES'),
    ...signalVariables('METRICS'),
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: text({
      optional: true,
      description: 'what values count from: cumulative, the start',
    }),
    OTEL_RESOURCE_ATTRIBUTES: text({
      optional: true,
      description: 'what the spans are about: name=value,name=value',
    }),
  },
  {
    package: '@vibeonrails/infra-monitoring',
    check(values, report) {
      const { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: arg } = values;
      const ratio = Number(arg ?? 1);
      if (sampler.endsWith('traceidratio') && !(ratio >= 0 && ratio <= 1))
        report('OTEL_TRACES_SAMPLER_ARG', 'a number from 0 to 1');
      checkStatsd(values, report);
      checkOtlp(values, report);
    },
  },
);

function signalVariables<S extends Uppercase<OtlpSignal>>(signal: S): SignalShape<S> {
  const own = `OTEL_EXPORTER_OTLP_${signal}`;
  const shared = (detail: string): { optional: true; fallback: string } => ({
    optional: true,
    fallback: `OTEL_EXPORTER_OTLP_${detail}`,
  });
  return {
    [`${own}_ENDPOINT`]: url({
      optional: true,
      description: `the whole address for ${signal.toLowerCase()}`,
    }),
    [`${own}_HEADERS`]: secret({
      ...shared('HEADERS'),
      description: 'sent with them: name=value,name=value',
    }),
    [`${own}_TIMEOUT`]: int({
      min: 1,
      ...shared('TIMEOUT'),
      description: 'milliseconds a request may take; else 10000',
    }),
    [`${own}_PROTOCOL`]: oneOf(['http/json'], { ...shared('PROTOCOL'), description: 'the protocol' }),
    [`${own}_COMPRESSION`]: oneOf(['gzip', 'none'], {
      ...shared('COMPRESSION'),
      description: 'how requests are packed; else none',
    }),
  } as unknown as SignalShape<S>;
}

function checkStatsd(values: MonitoringValues, report: ReportProblem): void {
  const { STATSD_URL, DD_AGENT_HOST, DD_DOGSTATSD_PORT } = values;
  const parsed = STATSD_URL === undefined ? undefined : parseStatsdUrl(STATSD_URL);
  if (typeof parsed === 'string') report('STATSD_URL', parsed);
  if (DD_AGENT_HOST !== undefined && /[\s/?#@]/.test(DD_AGENT_HOST))
    report('DD_AGENT_HOST', 'a host name or an address alone');
  if (DD_DOGSTATSD_PORT !== undefined && DD_AGENT_HOST === undefined && STATSD_URL === undefined)
    report('DD_AGENT_HOST', 'the host that DD_DOGSTATSD_PORT belongs to', 'missing');
}

const SIGNALS = ['TRACES', 'METRICS'] as const;

function checkOtlp(values: MonitoringValues, report: ReportProblem): void {
  const endpoints = [
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT',
  ] as const;
  for (const name of endpoints) {
    const value = values[name];
    if (value !== undefined && !isCollectorUrl(value))
      report(name, 'an address that starts with http:// or https://, without a user');
  }
  const isChosen =
    values.OTEL_TRACES_EXPORTER === 'otlp' ||
    values.OTEL_METRICS_EXPORTER === 'otlp' ||
    endpoints.some((name) => values[name] !== undefined);
  const details = ['HEADERS', 'PROTOCOL', 'TIMEOUT', 'COMPRESSION'] as const;
  const isHalfSet = SIGNALS.some((signal) =>
    details.some((detail) => values[`OTEL_EXPORTER_OTLP_${signal}_${detail}`] !== undefined),
  );
  if (isHalfSet && !isChosen)
    report(endpoints[0], 'the collector that the other OTEL_EXPORTER_OTLP_ variables are for', 'missing');
  for (const signal of SIGNALS) {
    const name = `OTEL_EXPORTER_OTLP_${signal}_HEADERS` as const;
    const headers = values[name];
    if (headers !== undefined && !areHeaders(headers))
      report(
        name,
        'name=value,name=value that HTTP allows, percent-encoded (OTEL_EXPORTER_OTLP_HEADERS stands in for it)',
      );
  }
  const temporality = values.OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE;
  if (temporality !== undefined && temporality !== 'cumulative')
    report(
      'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE',
      "cumulative, the only one that loses nothing with a lost push; a collector's processor cumulativetodelta makes deltas of it",
    );
  const resource = values.OTEL_RESOURCE_ATTRIBUTES;
  if (resource !== undefined && parsePairs(resource) === undefined)
    report('OTEL_RESOURCE_ATTRIBUTES', 'name=value,name=value, percent-encoded');
}

function areHeaders(text: string): boolean {
  const pairs = parsePairs(text);
  if (pairs === undefined) return false;
  try {
    new Headers(pairs);
    return true;
  } catch {
    return false;
  }
}

/** Every dialect there is. */
export const DIALECTS: readonly StatsdDialect[] = ['statsd', 'datadog'];

/** True for what `fetch` can be given. */
export function isCollectorUrl(text: string): boolean {
  if (typeof text !== 'string' || !URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === '';
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
