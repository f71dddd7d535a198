import type { Env } from '@vibeonrails/infra-core';
import { DIALECTS, isCollectorUrl, type MonitoringValues, parsePairs, parseStatsdUrl } from './config.ts';
import { serviceName, toMs } from './core.ts';
import type { MonitoringExporter } from './driver.ts';
import type {
  ConsoleOptions,
  ConsoleSettings,
  OtlpOptions,
  OtlpSettings,
  OtlpSignal,
  StatsdOptions,
  StatsdSettings,
} from './drivers/options.ts';
import { MonitoringOptionError, wholeNumber } from './errors.ts';
import { deferred } from './exporters.ts';

/**
 * Sends metrics to StatsD or a Datadog agent: what counters grew by, every gauge, and samples of histograms.
 *
 * ```ts
 * createMonitoring({ exporters: [statsd({ host: '10.0.0.7', dialect: 'datadog' })] });
 * ```
 *
 * @throws {@link MonitoringOptionError} `E_MONITORING_OPTION`, or `E_DURATION`, for an option that cannot be.
 */
export function statsd(options: StatsdOptions = {}): MonitoringExporter {
  const settings = statsdSettings(options);
  return deferred({
    name: 'statsd',
    takes: ['metrics', 'samples'],
    room: settings.maxBufferedSamples,
    unsent: 'statsd_unsent',
    load: async () => (await import('./drivers/statsd.ts')).statsdExporter(settings),
  });
}

/**
 * Prints each trace as a tree, for development: `OTEL_TRACES_EXPORTER=console` chooses it.
 *
 * @throws `E_DURATION` for a `quiet` that is none.
 */
export function consoleExporter(options: ConsoleOptions = {}): MonitoringExporter {
  const { stderr, env } = process;
  const settings: ConsoleSettings = {
    quiet: toMs(options.quiet ?? '300ms'),
    color: options.color ?? (stderr.isTTY === true && !env.NO_COLOR),
    write: options.write ?? ((text) => void stderr.write(text)),
  };
  return deferred({
    name: 'console',
    takes: ['spans'],
    room: 1000,
    unsent: 'exporter_threw',
    load: async () => (await import('./drivers/console.ts')).printingExporter(settings),
  });
}

/**
 * Sends finished spans and metrics to an OpenTelemetry collector, or to whatever takes OTLP over HTTP as JSON.
 *
 * ```ts
 * createMonitoring({ exporters: [otlp({ endpoint: 'http://collector:4318' })] });
 * ```
 *
 * @throws {@link MonitoringOptionError} `E_MONITORING_OPTION`, or `E_DURATION`, for an option that cannot be.
 */
export function otlp(options: OtlpOptions = {}): MonitoringExporter {
  const settings = otlpSettings(options);
  return deferred({
    name: 'otlp',
    takes: [
      ...(settings.urls.traces ? (['spans'] as const) : []),
      ...(settings.urls.metrics ? (['metrics'] as const) : []),
    ],
    room: settings.maxQueue,
    unsent: 'otlp_unsent',
    load: async () => (await import('./drivers/otlp.ts')).otlpExporter(settings),
  });
}

const PREFIX = /^[\w.-]*$/;

function statsdSettings(options: StatsdOptions): StatsdSettings {
  const { host = 'localhost', port = 8125, protocol = 'udp', dialect = 'statsd', prefix = '' } = options;
  const { maxSamples = 256, maxBufferedSamples = 65_536, maxPacketBytes = 1432, tags = {} } = options;
  if (!DIALECTS.includes(dialect)) throw new MonitoringOptionError('dialect', dialect, DIALECTS.join(' or '));
  if (protocol !== 'udp' && protocol !== 'tcp')
    throw new MonitoringOptionError('protocol', protocol, 'udp or tcp');
  if (typeof host !== 'string' || host === '')
    throw new MonitoringOptionError('host', host, 'a name or an address');
  wholeNumber('port', port);
  if (port > 65_535) throw new MonitoringOptionError('port', port, 'a port up to 65535');
  if (!PREFIX.test(prefix))
    throw new MonitoringOptionError('prefix', prefix, 'letters, digits, "_", "-" and "."');
  wholeNumber('maxSamples', maxSamples);
  wholeNumber('maxBufferedSamples', maxBufferedSamples);
  wholeNumber('maxPacketBytes', maxPacketBytes);
  const timeout = toMs(options.timeout ?? '5s');
  return {
    host,
    port,
    protocol,
    dialect,
    prefix,
    tags,
    maxSamples,
    maxBufferedSamples,
    maxPacketBytes,
    timeout,
  };
}

function otlpSettings(options: OtlpOptions): OtlpSettings {
  const { maxQueue = 2048, maxBatch = 512, headers = {}, compression = 'none', resource = {} } = options;
  wholeNumber('maxQueue', maxQueue);
  wholeNumber('maxBatch', maxBatch);
  return {
    urls: urlsOf(options),
    headers: checkedHeaders(headers),
    compression,
    resource,
    maxQueue,
    maxBatch: Math.min(maxBatch, maxQueue),
    interval: toMs(options.interval ?? '5s'),
    flushTimeout: toMs(options.flushTimeout ?? '5s'),
    timeout: toMs(options.timeout ?? '10s'),
    retryFor: toMs(options.retryFor ?? '1m'),
  };
}

const ENDPOINTS = { traces: 'tracesEndpoint', metrics: 'metricsEndpoint' } as const;

function urlsOf(options: OtlpOptions): OtlpSettings['urls'] {
  const all = Object.keys(ENDPOINTS) as OtlpSignal[];
  const named = all.filter((signal) => options[ENDPOINTS[signal]] !== undefined);
  const { endpoint, signals = endpoint === undefined && named.length > 0 ? named : all } = options;
  if (signals.length === 0 || signals.some((signal) => !all.includes(signal)))
    throw new MonitoringOptionError('signals', signals, `one or more of ${all.join(' and ')}`);
  return Object.fromEntries(signals.map((signal) => [signal, signalUrl(signal, options)]));
}

function signalUrl(signal: OtlpSignal, options: OtlpOptions): string {
  const own = options[ENDPOINTS[signal]];
  const given = own ?? options.endpoint ?? 'http://localhost:4318';
  if (!isCollectorUrl(given))
    // Never the value: an address may hold a key.
    throw new MonitoringOptionError(
      own === undefined ? 'endpoint' : ENDPOINTS[signal],
      typeof given,
      'an address that starts with http:// or https://, without a user',
    );
  if (own !== undefined) return own;
  const url = new URL(given);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/${signal}`;
  return url.href;
}

/** @throws {@link MonitoringOptionError} for a header no request can have, without its value. */
function checkedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  for (const [name, value] of Object.entries(headers)) {
    try {
      new Headers([[name, value]]);
    } catch {
      throw new MonitoringOptionError('headers', name, 'names and values that HTTP allows');
    }
  }
  return { ...headers };
}

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

const SIGNALS: readonly OtlpSignal[] = ['traces', 'metrics'];

const upper = <S extends OtlpSignal>(signal: S): Uppercase<S> => signal.toUpperCase() as Uppercase<S>;

function isChosen(values: MonitoringValues, signal: OtlpSignal): boolean {
  const chosen = values[`OTEL_${upper(signal)}_EXPORTER`];
  if (chosen !== undefined) return chosen === 'otlp';
  const own = values[`OTEL_EXPORTER_OTLP_${upper(signal)}_ENDPOINT`];
  return (own ?? values.OTEL_EXPORTER_OTLP_ENDPOINT) !== undefined;
}

function signalFrom(values: MonitoringValues, signal: OtlpSignal): OtlpOptions {
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
