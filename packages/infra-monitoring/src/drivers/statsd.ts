import { type Clock, type Duration, logger, systemClock, toMs } from '@vibeonrails/infra-core';
import type { ExporterHost, MonitoringExporter } from '../driver.ts';
import { MonitoringOptionError, wholeNumber } from '../errors.ts';
import type { SampledSeries } from '../metrics/family.ts';
import type { MetricSnapshot, ValueSnapshot } from '../metrics/snapshot.ts';
import {
  DIALECTS,
  decimal,
  type Packet,
  pack,
  type SeriesName,
  type StatsdDialect,
  type StatsdEntry,
  seriesNames,
} from './statsd-lines.ts';
import { type SampleBuffer, type SeriesSamples, sampleBuffer } from './statsd-samples.ts';
import { hotShotsTransport, type StatsdTransport } from './statsd-transport.ts';

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

/** Packets on their way at once: enough to be quick, few enough for the socket's buffer. */
const WINDOW = 32;
const PREFIX = /^[\w.-]*$/;
const log = logger.child({ module: 'monitoring' });

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
  return new StatsdExporter(options);
}

class StatsdExporter implements MonitoringExporter {
  readonly name = 'statsd';
  readonly #dialect: StatsdDialect;
  readonly #maxPacket: number;
  readonly #samples: SampleBuffer;
  readonly #transport: StatsdTransport;
  readonly #nameOf: (name: string, labels: SampledSeries['labels']) => SeriesName;
  /** What the server knows of each counter, by what is sent of its name. */
  readonly #sent = new Map<string, number>();
  #clock: Clock = systemClock;
  #drop: ExporterHost['drop'] = () => undefined;
  #latest: readonly MetricSnapshot[] | undefined;
  #sending: Promise<void> | undefined;
  #isFailing = false;
  #closed = false;

  constructor(options: StatsdOptions) {
    const { host = 'localhost', port = 8125, protocol = 'udp', dialect = 'statsd', prefix = '' } = options;
    const { maxSamples = 256, maxBufferedSamples = 65_536, maxPacketBytes = 1432 } = options;
    if (!(DIALECTS as readonly unknown[]).includes(dialect))
      throw new MonitoringOptionError('dialect', dialect, DIALECTS.join(' or '));
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
    this.#dialect = dialect;
    this.#maxPacket = maxPacketBytes;
    this.#nameOf = seriesNames(dialect, prefix, options.tags ?? {});
    this.#samples = sampleBuffer(maxSamples, maxBufferedSamples, () => this.#drop('statsd_unsent'));
    this.#transport = hotShotsTransport(
      { protocol, host, port },
      toMs(options.timeout ?? '5s'),
      () => this.#clock,
    );
  }

  attach({ clock, drop }: ExporterHost): void {
    this.#clock = clock;
    this.#drop = drop;
  }

  ready(): Promise<void> {
    return this.#transport.ready();
  }

  exportSample(series: SampledSeries, value: number): void {
    if (!this.#closed) this.#samples.add(series, value);
  }

  exportMetrics(metrics: readonly MetricSnapshot[]): void {
    if (this.#closed) return;
    this.#latest = metrics;
    // While an earlier push is on its way this one waits, and a later one takes its place: what counters grew by is
    // then sent in one.
    this.#sending ??= this.#sendAll();
  }

  async flush(): Promise<void> {
    await this.#sending;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#latest = undefined;
    for (const { values } of this.#samples.take()) this.#drop('statsd_unsent', values.length);
    this.#transport.close();
  }

  async #sendAll(): Promise<void> {
    // Off the caller's turn, and after the assignment of what this returns.
    await Promise.resolve();
    const tooLarge = (entry: StatsdEntry): void => {
      entry.settle(true);
      this.#drop('statsd_oversize');
    };
    try {
      while (this.#latest !== undefined) {
        const metrics = this.#latest;
        this.#latest = undefined;
        await this.#send(pack(this.#entries(metrics), this.#maxPacket, tooLarge));
      }
    } finally {
      this.#sending = undefined;
    }
  }

  /** A window at a time, each written only then: a large registry holds neither the event loop nor much memory. */
  async #send(packets: Iterator<Packet, void>): Promise<void> {
    let isAlive = true;
    for (;;) {
      const some: Packet[] = [];
      for (let next = packets.next(); !next.done; next = packets.next()) {
        some.push(next.value);
        if (some.length === WINDOW) break;
      }
      if (some.length === 0) return;
      // A server that cannot be reached is not tried again for the rest of a push.
      const sent: readonly boolean[] = isAlive
        ? await Promise.all(some.map(({ text }) => this.#transport.send(text)))
        : [];
      for (const [i, { entries }] of some.entries())
        for (const entry of entries) entry.settle(sent[i] === true);
      isAlive &&= !sent.includes(false);
      this.#report(isAlive);
    }
  }

  #report(isAlive: boolean): void {
    if (!isAlive && !this.#isFailing)
      log.warn(
        { exporter: this.name },
        'StatsD cannot be reached; counters are sent once it can be, samples of histograms are dropped',
      );
    this.#isFailing = !isAlive;
  }

  *#entries(metrics: readonly MetricSnapshot[]): Generator<StatsdEntry> {
    for (const metric of metrics) {
      if (metric.type === 'histogram') continue;
      for (const series of metric.series) {
        if (!Number.isFinite(series.value)) continue;
        const name = this.#nameOf(metric.name, series.labels);
        if (metric.type === 'gauge') yield this.#gauge(name, series.value);
        else yield* this.#counter(metric.name, series, name);
      }
    }
    for (const samples of this.#samples.take()) yield* this.#histogram(samples);
  }

  /** What it grew by since the server last heard of it. A packet that did not leave leaves the rest for the next one. */
  *#counter(metric: string, { labels, value }: ValueSnapshot, name: SeriesName): Generator<StatsdEntry> {
    const key = JSON.stringify([metric, labels]);
    const growth = value - (this.#sent.get(key) ?? 0);
    if (!(growth > 0)) return;
    yield {
      text: `${name.start}:${decimal(growth)}|c${name.end}`,
      settle: (sent) => {
        if (sent) this.#sent.set(key, value);
      },
    };
  }

  /** Sent each time, since a server may forget gauges and a packet may be lost. */
  #gauge({ start, end }: SeriesName, value: number): StatsdEntry {
    const text = `${start}:${decimal(value)}|g${end}`;
    // A sign means a change to plain StatsD, so a negative value is a change from 0.
    const isChange = this.#dialect === 'statsd' && text.startsWith('-', start.length + 1);
    return { text: isChange ? `${start}:0|g\n${text}` : text, settle: () => undefined };
  }

  /** As timings, which every plain server has percentiles of; as histograms, several in a line, where there are any. */
  *#histogram({ series, values, seen }: SeriesSamples): Generator<StatsdEntry> {
    const { start, end } = this.#nameOf(series.metric, series.labels);
    const rate = seen > values.length ? `|@${values.length / seen}` : '';
    const isDatadog = this.#dialect === 'datadog';
    const tail = `|${isDatadog ? 'h' : 'ms'}${rate}${end}`;
    const room = this.#maxPacket - Buffer.byteLength(start + tail);
    let line = '';
    let count = 0;
    const entry = (): StatsdEntry => {
      const made = { text: start + line + tail, count };
      line = '';
      count = 0;
      return {
        text: made.text,
        settle: (sent) => {
          if (!sent) this.#drop('statsd_unsent', made.count);
        },
      };
    };
    for (const value of values) {
      const text = `:${decimal(value)}`;
      if (count > 0 && (!isDatadog || line.length + text.length > room)) yield entry();
      line += text;
      count += 1;
    }
    if (count > 0) yield entry();
  }
}
