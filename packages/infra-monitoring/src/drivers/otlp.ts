import { type Clock, type Duration, logger, serviceName, systemClock, toMs } from '@vibeonrails/infra-core';
import type { ExporterHost, MonitoringExporter } from '../driver.ts';
import { MonitoringOptionError, wholeNumber } from '../errors.ts';
import type { FinishedSpan } from '../tracing/span.ts';
import { type OtlpOutcome, type OtlpRequestOptions, postBatch } from './otlp-http.ts';
import { envelope, spanJson } from './otlp-json.ts';

/** How {@link otlp} sends. */
export interface OtlpOptions {
  /** The collector's address, to which `/v1/traces` is added. @default 'http://localhost:4318' */
  readonly endpoint?: string;
  /** The whole address that traces go to, in place of `endpoint`. */
  readonly tracesEndpoint?: string;
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

/** Bytes, about: a fifth of what collectors take by default. */
const MAX_BODY = 4 * 1024 * 1024;
const log = logger.child({ module: 'monitoring' });

/**
 * Sends finished spans to an OpenTelemetry collector, or to whatever takes OTLP over HTTP as JSON.
 *
 * ```ts
 * createMonitoring({ exporters: [otlp({ endpoint: 'http://collector:4318' })] });
 * ```
 *
 * @throws {@link MonitoringOptionError} `E_MONITORING_OPTION`, or `E_DURATION`, for an option that cannot be.
 */
export function otlp(options: OtlpOptions = {}): MonitoringExporter {
  return new OtlpExporter(options);
}

class OtlpExporter implements MonitoringExporter {
  readonly name = 'otlp';
  readonly #request: OtlpRequestOptions;
  readonly #maxQueue: number;
  readonly #maxBatch: number;
  readonly #interval: number;
  readonly #flushTimeout: number;
  readonly #envelope: { start: string; end: string };
  readonly #gone = new AbortController();
  #queue: FinishedSpan[] = [];
  /** How many of the queue are to be sent without waiting for more. */
  #due = 0;
  #clock: Clock = systemClock;
  #drop: ExporterHost['drop'] = () => undefined;
  #cancelWait: (() => void) | undefined;
  #sending: Promise<void> | undefined;
  #isFailing = false;

  constructor(options: OtlpOptions) {
    const { maxQueue = 2048, maxBatch = 512, headers = {}, compression = 'none' } = options;
    wholeNumber('maxQueue', maxQueue);
    wholeNumber('maxBatch', maxBatch);
    this.#maxQueue = maxQueue;
    this.#maxBatch = Math.min(maxBatch, maxQueue);
    this.#interval = toMs(options.interval ?? '5s');
    this.#flushTimeout = toMs(options.flushTimeout ?? '5s');
    this.#request = {
      url: addressOf(options),
      headers: checkedHeaders(headers),
      compression,
      timeout: toMs(options.timeout ?? '10s'),
      retryFor: toMs(options.retryFor ?? '1m'),
    };
    this.#envelope = envelope({
      'service.name': serviceName() ?? 'unknown_service:node',
      ...options.resource,
    });
  }

  attach({ clock, drop }: ExporterHost): void {
    this.#clock = clock;
    this.#drop = drop;
  }

  /** A collector that is away is no reason not to start. */
  async ready(): Promise<void> {}

  exportSpan(span: FinishedSpan): void {
    if (this.#gone.signal.aborted) return;
    if (this.#queue.length >= this.#maxQueue) {
      this.#drop('otlp_queue_full');
      return;
    }
    this.#queue.push(span);
    if (this.#sending !== undefined) return;
    if (this.#queue.length >= this.#maxBatch) this.#start();
    else this.#wait();
  }

  async flush(): Promise<void> {
    if (this.#queue.length > 0) this.#start();
    const sending = this.#sending;
    if (sending === undefined) return;
    let cancel: (() => void) | undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#clock.after(this.#flushTimeout, resolve);
    });
    await Promise.race([sending, late]);
    cancel?.();
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
      while ((this.#due > 0 || this.#queue.length >= this.#maxBatch) && !this.#gone.signal.aborted) {
        const { body, size } = this.#nextBatch();
        if (size === 0) continue;
        this.#report(await postBatch(body, this.#request, this.#clock, this.#gone.signal), size);
      }
    } finally {
      this.#sending = undefined;
      if (this.#queue.length > 0) this.#wait();
    }
  }

  #wait(): void {
    if (!this.#gone.signal.aborted)
      this.#cancelWait ??= this.#clock.after(this.#interval, () => this.#start());
  }

  #nextBatch(): { body: string; size: number } {
    const spans: string[] = [];
    let bytes = 0;
    let taken = 0;
    for (const span of this.#queue) {
      if (taken === this.#maxBatch || bytes > MAX_BODY) break;
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

function addressOf({ endpoint = 'http://localhost:4318', tracesEndpoint }: OtlpOptions): string {
  const option = tracesEndpoint === undefined ? 'endpoint' : 'tracesEndpoint';
  const given = tracesEndpoint ?? endpoint;
  if (!isCollectorUrl(given))
    // Never the value: an address may hold a key.
    throw new MonitoringOptionError(
      option,
      typeof given,
      'an address that starts with http:// or https://, without a user',
    );
  if (tracesEndpoint !== undefined) return tracesEndpoint;
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/traces`;
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
