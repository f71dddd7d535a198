import type { Duration } from '@vibeonrails/infra-core';
import type { MonitoringExporter } from '../driver.ts';
import type { DropReason } from '../metrics/families.ts';

/** The two dialects of StatsD: Datadog's has tags, histograms and many values in a line; the plain one has none of them. */
export type StatsdDialect = 'statsd' | 'datadog';

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

/** How an exporter is made whose code loads when it is added. */
export interface DeferredExporter {
  readonly name: string;
  /** What it has a use for. */
  readonly takes: readonly ('spans' | 'metrics' | 'samples')[];
  /** Spans and samples held until its code is there. */
  readonly room: number;
  /** What those are counted as that found no room. */
  readonly unsent: DropReason;
  load(): Promise<MonitoringExporter>;
}
