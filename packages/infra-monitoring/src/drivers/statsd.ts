import { type Clock, logger, systemClock } from '@vibeonrails/infra-core';
import type { ExporterHost, MonitoringExporter } from '../driver.ts';
import type { statsd } from '../drivers.ts';
import type { MetricSnapshot, ValueSnapshot } from '../metrics/registry.ts';
import type { SampledSeries } from '../metrics/series.ts';
import type { StatsdDialect, StatsdSettings } from './options.ts';
import {
  decimal,
  type Packet,
  pack,
  type SeriesName,
  type StatsdEntry,
  seriesNames,
} from './statsd-lines.ts';
import { type SampleBuffer, type SeriesSamples, sampleBuffer } from './statsd-samples.ts';
import { hotShotsTransport, type StatsdTransport } from './statsd-transport.ts';

/** Packets on their way at once: enough to be quick, few enough for the socket's buffer. */
const WINDOW = 32;
/** Longest stretch of writing lines, in milliseconds. */
const SLICE = 2;
const log = logger.child({ module: 'monitoring' });

/** Makes the exporter that {@link statsd} stands for. */
export function statsdExporter(settings: StatsdSettings): MonitoringExporter {
  return new StatsdExporter(settings);
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

  constructor(settings: StatsdSettings) {
    this.#dialect = settings.dialect;
    this.#maxPacket = settings.maxPacketBytes;
    this.#nameOf = seriesNames(settings.dialect, settings.prefix, settings.tags);
    this.#samples = sampleBuffer(settings.maxSamples, settings.maxBufferedSamples, () =>
      this.#drop('statsd_unsent'),
    );
    this.#transport = hotShotsTransport(settings, settings.timeout, () => this.#clock);
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
  async #send(packets: Iterator<Packet | undefined, void>): Promise<void> {
    let isAlive = true;
    let sliceStart = performance.now();
    for (;;) {
      const some: Packet[] = [];
      for (let next = packets.next(); !next.done; next = packets.next()) {
        if (next.value !== undefined) some.push(next.value);
        else if (performance.now() - sliceStart > SLICE) {
          await new Promise((resolve) => setImmediate(resolve));
          sliceStart = performance.now();
        }
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

  *#entries(metrics: readonly MetricSnapshot[]): Generator<StatsdEntry | undefined> {
    for (const metric of metrics) {
      if (metric.type === 'histogram') continue;
      for (const [i, series] of metric.series.entries()) {
        if (i % 64 === 63) yield undefined;
        if (!Number.isFinite(series.value)) continue;
        const name = this.#nameOf(metric.name, series.labels);
        if (metric.type === 'gauge') yield this.#gauge(name, series.value);
        else yield* this.#counter(metric.name, series, name);
      }
    }
    for (const samples of this.#samples.take()) {
      yield* this.#histogram(samples);
      yield undefined;
    }
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
