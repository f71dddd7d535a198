import type { Duration } from '@vibeonrails/infra-core';
import { toMs } from './core.ts';
import type { MonitoringExporter } from './driver.ts';
import { MonitoringOptionError, wholeNumber } from './errors.ts';
import { deferred } from './exporters.ts';

/** The two dialects of StatsD: Datadog's has tags, histograms and many values in a line; the plain one has none of them. */
export const DIALECTS = ['statsd', 'datadog'] as const;

/** @see {@link DIALECTS} */
export type StatsdDialect = (typeof DIALECTS)[number];

/** How {@link statsd} sends. */
export interface StatsdOptions {
  /** @default 'localhost' */
  readonly host?: string;
  /** @default 8125 */
  readonly port?: number;
  /** @default 'udp' */
  readonly protocol?: 'udp' | 'tcp';
  /** `datadog` sends labels as tags; `statsd` has none, so they become part of the name. @default 'statsd' */
  readonly dialect?: StatsdDialect;
  /** Stands before every name, with a dot between: letters, digits, `_`, `-` and `.`. @default none */
  readonly prefix?: string;
  /** Labels that every series gets; its own win. @default none */
  readonly tags?: Readonly<Record<string, string>>;
  /** Samples of one histogram series sent after each push; of more, a fair choice goes out with its `@rate`. @default 256 */
  readonly maxSamples?: number;
  /** Samples held between two pushes, all series together. @default 65_536 */
  readonly maxBufferedSamples?: number;
  /** Bytes in a packet: 512 through the internet, up to 8932 with jumbo frames. @default 1432 */
  readonly maxPacketBytes?: number;
  /** How long a packet may take to leave. @default '5s' */
  readonly timeout?: Duration;
}

/** {@link StatsdOptions}, checked and complete. Durations are in milliseconds. */
export interface StatsdSettings extends Required<StatsdOptions> {
  readonly timeout: number;
}

/** What a collector takes. */
export type OtlpSignal = 'traces' | 'metrics';

/** How {@link otlp} sends. */
export interface OtlpOptions {
  /** The collector's address, to which `/v1/traces` and `/v1/metrics` are added. @default 'http://localhost:4318' */
  readonly endpoint?: string;
  /** The whole address that traces go to, in place of `endpoint`. */
  readonly tracesEndpoint?: string;
  /** The whole address that metrics go to, in place of `endpoint`. */
  readonly metricsEndpoint?: string;
  /** What is sent. @default both; where only one has an address, that one */
  readonly signals?: readonly OtlpSignal[];
  /** Sent with every request: a key, a tenant. */
  readonly headers?: Readonly<Record<string, string>>;
  /** @default 'none' */
  readonly compression?: 'gzip' | 'none';
  /** How long a request may take. @default '10s' */
  readonly timeout?: Duration;
  /** How long a batch is tried for, and so the longest `Retry-After` that is waited for. @default '1m' */
  readonly retryFor?: Duration;
  /** How long `flush()`, and so a shutdown, waits for the collector. @default '5s' */
  readonly flushTimeout?: Duration;
  /** What the spans are about: `service.name` and others. @default the service's name */
  readonly resource?: Readonly<Record<string, string>>;
  /** Spans held while the collector is slow; the newest are dropped when there are more. @default 2048 */
  readonly maxQueue?: number;
  /** Spans in a request. @default 512 */
  readonly maxBatch?: number;
  /** How long a span waits for others. @default '5s' */
  readonly interval?: Duration;
}

/** {@link OtlpOptions}, checked and complete. Durations are in milliseconds. */
export interface OtlpSettings
  extends Required<Pick<OtlpOptions, 'headers' | 'compression' | 'resource' | 'maxQueue' | 'maxBatch'>> {
  /** The whole address that each signal goes to. */
  readonly urls: Readonly<Partial<Record<OtlpSignal, string>>>;
  readonly timeout: number;
  readonly retryFor: number;
  readonly flushTimeout: number;
  readonly interval: number;
}

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

/** How {@link consoleExporter} prints. */
export interface ConsoleOptions {
  /** How long nothing must have come of a trace that is over before it is printed. @default '300ms' */
  readonly quiet?: Duration;
  /** @default where standard error is a terminal and NO_COLOR is not set */
  readonly color?: boolean;
  /** Where it goes. @default standard error, so that logs on standard output stay what they are */
  readonly write?: (text: string) => void;
}

/** {@link ConsoleOptions}, complete. Durations are in milliseconds. */
export interface ConsoleSettings extends Required<ConsoleOptions> {
  readonly quiet: number;
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

const SIGNALS = { traces: 'tracesEndpoint', metrics: 'metricsEndpoint' } as const;

function urlsOf(options: OtlpOptions): OtlpSettings['urls'] {
  const all = Object.keys(SIGNALS) as OtlpSignal[];
  const named = all.filter((signal) => options[SIGNALS[signal]] !== undefined);
  const { endpoint, signals = endpoint === undefined && named.length > 0 ? named : all } = options;
  if (signals.length === 0 || signals.some((signal) => !all.includes(signal)))
    throw new MonitoringOptionError('signals', signals, `one or more of ${all.join(' and ')}`);
  return Object.fromEntries(signals.map((signal) => [signal, signalUrl(signal, options)]));
}

function signalUrl(signal: OtlpSignal, options: OtlpOptions): string {
  const own = options[SIGNALS[signal]];
  const given = own ?? options.endpoint ?? 'http://localhost:4318';
  if (!isCollectorUrl(given))
    // Never the value: an address may hold a key.
    throw new MonitoringOptionError(
      own === undefined ? 'endpoint' : SIGNALS[signal],
      typeof given,
      'an address that starts with http:// or https://, without a user',
    );
  if (own !== undefined) return own;
  const url = new URL(given);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/${signal}`;
  return url.href;
}

/** True for what `fetch` can be given. */
export function isCollectorUrl(text: string): boolean {
  if (typeof text !== 'string' || !URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === '';
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
