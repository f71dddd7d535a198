import { type Clock, logger, serviceName, systemClock } from '@vibeonrails/infra-core';
import type { ExporterHost, MonitoringExporter } from '../driver.ts';
import type { otlp } from '../drivers.ts';
import type { FinishedSpan } from '../tracing/span.ts';
import type { OtlpSettings } from './options.ts';
import { type OtlpOutcome, postBatch, settledWithin } from './otlp-http.ts';
import { type Envelope, envelope, spanJson } from './otlp-json.ts';
import { OtlpMetrics } from './otlp-metrics.ts';

/** Bytes, about: a fifth of what collectors take by default. */
const MAX_BODY = 4 * 1024 * 1024;
const log = logger.child({ module: 'monitoring' });

/** Makes the exporter that {@link otlp} stands for. */
export function otlpExporter({ resource: given, ...settings }: OtlpSettings): MonitoringExporter {
  const resource = { 'service.name': serviceName() ?? 'unknown_service:node', ...given };
  const { traces: tracesUrl, metrics: metricsUrl } = settings.urls;
  const traces = tracesUrl && new OtlpTraces({ ...settings, resource, url: tracesUrl });
  const metrics = metricsUrl && new OtlpMetrics({ ...settings, resource, url: metricsUrl });
  const both = [...(traces ? [traces] : []), ...(metrics ? [metrics] : [])];
  return {
    name: 'otlp',
    attach(host) {
      for (const one of both) one.attach(host);
    },
    // A collector that is away is no reason not to start.
    ready: async () => undefined,
    ...(traces && { exportSpan: (span) => traces.exportSpan(span) }),
    ...(metrics && { exportMetrics: (all) => metrics.exportMetrics(all) }),
    flush: async () => void (await Promise.all(both.map((one) => one.flush()))),
    close: async () => void (await Promise.all(both.map((one) => one.close()))),
  };
}

interface TracesSettings extends OtlpSettings {
  readonly url: string;
}

class OtlpTraces {
  readonly name = 'otlp';
  readonly #settings: TracesSettings;
  readonly #envelope: Envelope;
  readonly #gone = new AbortController();
  #queue: FinishedSpan[] = [];
  /** How many of the queue are to be sent without waiting for more. */
  #due = 0;
  #clock: Clock = systemClock;
  #drop: ExporterHost['drop'] = () => undefined;
  #cancelWait: (() => void) | undefined;
  #sending: Promise<void> | undefined;
  #isFailing = false;

  constructor(settings: TracesSettings) {
    this.#settings = settings;
    this.#envelope = envelope(settings.resource);
  }

  attach({ clock, drop }: ExporterHost): void {
    this.#clock = clock;
    this.#drop = drop;
  }

  exportSpan(span: FinishedSpan): void {
    if (this.#gone.signal.aborted) return;
    if (this.#queue.length >= this.#settings.maxQueue) {
      this.#drop('otlp_queue_full');
      return;
    }
    this.#queue.push(span);
    if (this.#sending !== undefined) return;
    if (this.#queue.length >= this.#settings.maxBatch) this.#start();
    else this.#wait();
  }

  async flush(): Promise<void> {
    if (this.#queue.length > 0) this.#start();
    const sending = this.#sending;
    if (sending === undefined) return;
    await settledWithin(sending, this.#settings.flushTimeout, this.#clock);
  }

  async close(): Promise<void> {
    this.#cancelWait?.();
    this.#gone.abort();
    await this.#sending;
    this.#drop('otlp_unsent', this.#queue.length);
    this.#queue = [];
  }

  /** Sends what is there now; what comes meanwhile gathers into a batch of its own. */
  #start(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#due = this.#queue.length;
    this.#sending ??= this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    // Off the caller's turn, and after the assignment of what this returns.
    await Promise.resolve();
    try {
      while ((this.#due > 0 || this.#queue.length >= this.#settings.maxBatch) && !this.#gone.signal.aborted) {
        const { body, size } = this.#nextBatch();
        if (size === 0) continue;
        this.#report(await postBatch(body, this.#settings, this.#clock, this.#gone.signal), size);
      }
    } finally {
      this.#sending = undefined;
      if (this.#queue.length > 0) this.#wait();
    }
  }

  #wait(): void {
    if (!this.#gone.signal.aborted)
      this.#cancelWait ??= this.#clock.after(this.#settings.interval, () => this.#start());
  }

  #nextBatch(): { body: string; size: number } {
    const spans: string[] = [];
    let bytes = 0;
    let taken = 0;
    for (const span of this.#queue) {
      if (taken === this.#settings.maxBatch || bytes > MAX_BODY) break;
      taken += 1;
      const text = jsonOf(span);
      if (text === undefined) {
        this.#drop('otlp_unsent');
        continue;
      }
      spans.push(text);
      bytes += text.length;
    }
    this.#queue = this.#queue.slice(taken);
    this.#due -= taken;
    return { body: this.#envelope.start + spans.join(',') + this.#envelope.end, size: spans.length };
  }

  #report({ delivered, rejected, problem }: OtlpOutcome, size: number): void {
    if (!delivered) this.#drop('otlp_unsent', size);
    if (rejected > 0) this.#drop('otlp_rejected', Math.min(rejected, size));
    const isFailing = !delivered || rejected > 0;
    if (isFailing && !this.#isFailing)
      log.warn(
        { exporter: this.name, problem },
        'the collector does not take spans; further ones are only counted',
      );
    this.#isFailing = isFailing;
  }
}

function jsonOf(span: FinishedSpan): string | undefined {
  try {
    return spanJson(span);
  } catch {
    return undefined;
  }
}
