import type { Clock } from '@vibeonrails/infra-core';
import { log, systemClock } from '../core.ts';
import type { ExporterHost } from '../driver.ts';
import type { MetricSnapshot } from '../metrics/registry.ts';
import { type OtlpRequestOptions, postBatch, settledWithin } from './otlp-http.ts';
import { type Envelope, envelope } from './otlp-json.ts';
import { type MetricJson, metricJson, type Period, periodOf } from './otlp-metrics-json.ts';

/** Bytes, about: a fifth of what collectors take by default. */
const MAX_BODY = 4 * 1024 * 1024;

interface Body {
  readonly text: string;
  readonly points: number;
}

/** How {@link OtlpMetrics} sends. */
export interface OtlpMetricsSettings extends OtlpRequestOptions {
  readonly resource: Readonly<Record<string, string>>;
  /** Milliseconds. */
  readonly flushTimeout: number;
}

/**
 * Sends metrics to a collector. Values count from the start, so that a later reading makes up for one that was lost:
 * at most one waits while another is on its way, and the newest of those that come meanwhile is kept.
 */
export class OtlpMetrics {
  readonly name = 'otlp metrics';
  readonly #settings: OtlpMetricsSettings;
  readonly #envelope: Envelope;
  readonly #gone = new AbortController();
  #clock: Clock = systemClock;
  #startedAt = 0;
  #drop: ExporterHost['drop'] = () => undefined;
  #next: { metrics: readonly MetricSnapshot[]; readAt: number } | undefined;
  #sending: Promise<void> | undefined;
  #isFailing = false;

  constructor(settings: OtlpMetricsSettings) {
    this.#settings = settings;
    this.#envelope = envelope(settings.resource, 'metrics');
  }

  attach({ clock, drop }: ExporterHost): void {
    this.#clock = clock;
    this.#drop = drop;
    this.#startedAt = clock.now();
  }

  exportMetrics(metrics: readonly MetricSnapshot[]): void {
    if (this.#gone.signal.aborted || metrics.length === 0) return;
    this.#next = { metrics, readAt: this.#clock.now() };
    this.#sending ??= this.#sendAll();
  }

  async flush(): Promise<void> {
    const sending = this.#sending;
    if (sending === undefined) return;
    await settledWithin(sending, this.#settings.flushTimeout, this.#clock);
  }

  async close(): Promise<void> {
    this.#gone.abort();
    await this.#sending;
    this.#next = undefined;
  }

  async #sendAll(): Promise<void> {
    // Off the caller's turn, and after the assignment of what this returns.
    await Promise.resolve();
    try {
      while (this.#next !== undefined && !this.#gone.signal.aborted) {
        const { metrics, readAt } = this.#next;
        this.#next = undefined;
        for await (const body of bodies(metrics, periodOf(this.#startedAt, readAt), this.#envelope))
          await this.#send(body);
      }
    } finally {
      this.#sending = undefined;
    }
  }

  async #send({ text, points }: Body): Promise<void> {
    const { delivered, rejected, problem } = await postBatch(
      text,
      this.#settings,
      this.#clock,
      this.#gone.signal,
    );
    if (!delivered) this.#drop('otlp_metrics_unsent', points);
    if (rejected > 0) this.#drop('otlp_rejected', Math.min(rejected, points));
    const isFailing = !delivered || rejected > 0;
    if (isFailing && !this.#isFailing)
      log.warn(
        { exporter: this.name, problem },
        'the collector does not take metrics; further failures are only counted',
      );
    this.#isFailing = isFailing;
  }
}

/** Data points that are written together, and the longest stretch of writing in milliseconds. */
const TOGETHER = 1000;
const SLICE = 2;

/** The requests that a reading takes; the event loop runs in between. */
async function* bodies(
  metrics: readonly MetricSnapshot[],
  period: Period,
  { start, end }: Envelope,
): AsyncGenerator<Body, void, undefined> {
  let parts: string[] = [];
  let bytes = 0;
  let points = 0;
  const add = (json: MetricJson, some: readonly string[]): void => {
    const text = json.start + some.join(',') + json.end;
    parts.push(text);
    bytes += text.length;
    points += some.length;
  };
  const body = (): Body => {
    const made = { text: start + parts.join(',') + end, points };
    parts = [];
    bytes = 0;
    points = 0;
    return made;
  };
  let sliceStart = performance.now();
  for (const metric of metrics) {
    const json = metricJson(metric, period);
    let some: string[] = [];
    for (const point of json.points()) {
      some.push(point);
      if (some.length % 16 === 0 && performance.now() - sliceStart > SLICE) {
        await new Promise((resolve) => setImmediate(resolve));
        sliceStart = performance.now();
      }
      if (some.length < TOGETHER) continue;
      add(json, some);
      some = [];
      if (bytes > MAX_BODY) yield body();
    }
    if (some.length > 0) add(json, some);
    if (bytes > MAX_BODY) yield body();
  }
  if (parts.length > 0) yield body();
}
