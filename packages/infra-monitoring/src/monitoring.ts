import type { Clock, Duration, Env, ModuleInstance } from '@vibeonrails/infra-core';
import { config } from './config.ts';
import { log, onShutdown, systemClock, toMs } from './core.ts';
import type { MonitoringExporter } from './driver.ts';
import { memoryExporter, type SpanNode, treeOf } from './drivers/memory.ts';
import { exportersFrom } from './environment.ts';
import { MetricsTokenError } from './errors.ts';
import { exporters } from './exporters.ts';
import { type HttpTracing, httpTracing } from './instrument/http.ts';
import { type InstrumentOptions, instrumentWith } from './instrument/instrument.ts';
import type { Metrics } from './metrics/recorder.ts';
import { createRegistry, type Registry } from './metrics.ts';
import { type ProcessMetricsOptions, processMetricsOf } from './process-metrics.ts';
import { timerOn } from './time.ts';
import type { FormatTraceOptions } from './tracing/format.ts';
import { type Sampler, type SamplerOption, samplerOf } from './tracing/sampler.ts';
import type { FinishedSpan } from './tracing/span.ts';
import { createTracer, type Tracer } from './tracing.ts';

/** How a monitoring is made. */
export interface MonitoringOptions {
  /** Which traces are recorded: a sampler by name, or a ratio from 0 to 1. @default OTEL_TRACES_SAMPLER, else every trace its caller did not leave out */
  sampler?: SamplerOption;
  /** Records traces that the sampler leaves out as well, and keeps those in which a span fails. @default false */
  keepErrors?: boolean;
  /** False makes no spans and no ids: metrics alone, and nothing follows the work through its promises. @default true, unless OTEL_SDK_DISABLED is */
  tracing?: boolean;
  /** Finished spans kept in this process, for `recentSpans()`. @default 1000 */
  keepSpans?: number;
  /** Spans that may be open at once; the oldest is ended when there are more. @default 10_000 */
  maxOpenSpans?: number;
  /** How long a span may be open before it is ended as abandoned. @default '10m' */
  maxSpanAge?: Duration;
  /** Label sets a metric may have. @default 1000 */
  maxSeries?: number;
  /** Metrics it may hold. @default 2000 */
  maxMetrics?: number;
  /** Where spans and metrics go besides this process. @default STATSD_URL or DD_AGENT_HOST, OTEL_EXPORTER_OTLP_ENDPOINT, and OTEL_TRACES_EXPORTER=console, where they are set */
  exporters?: readonly MonitoringExporter[];
  /** How often exporters get the metrics. @default OTEL_METRIC_EXPORT_INTERVAL, else '10s' */
  pushInterval?: Duration;
  /** @default the machine's clock, in fractions of a millisecond */
  clock?: Clock;
  /** @default process.env */
  env?: Env;
}

/** How `metricsHandler()` serves. */
export interface MetricsHandlerOptions {
  /** Who scrapes must send `Authorization: Bearer <token>`. @default nobody is asked */
  token?: string;
}

/** Metrics and traces of a process. Recording never throws and never waits. */
export interface Monitoring extends ModuleInstance, Metrics, Tracer, HttpTracing {
  /** Its metrics. */
  readonly registry: Registry;
  /**
   * A Fetch handler that serves the metrics to Prometheus, in its text format or as OpenMetrics.
   *
   * @throws {@link MetricsTokenError} `E_MONITORING_TOKEN` for an empty token.
   */
  metricsHandler(options?: MetricsHandlerOptions): (request: Request) => Promise<Response>;
  /** Adds processor, memory and event loop of this process to its metrics, until the returned function is called. */
  collectProcessMetrics(options?: ProcessMetricsOptions): () => void;
  /**
   * Makes a span and a duration of every operation of every module. One monitoring in a process can: it takes over
   * from any earlier one. The returned function ends it.
   */
  instrument(options?: InstrumentOptions): () => void;
  /** Adds an exporter; the returned function takes it out, flushed and closed. */
  addExporter(exporter: MonitoringExporter): () => Promise<void>;
  /** The spans that ended last, oldest first. */
  recentSpans(): FinishedSpan[];
  /** What `recentSpans()` holds of one trace, as trees. */
  traceTree(traceId: string): SpanNode[];
  /** The same as text for people, a line a span. @default no colours */
  formatTrace(traceId: string, options?: FormatTraceOptions): Promise<string>;
  /** Hands the metrics to the exporters and lets them send what they hold. */
  flush(): Promise<void>;
}

/**
 * Makes a monitoring of its own, independent of the default one. A variable that is not valid is told by `ready()`,
 * since recording must not fail on it.
 *
 * @throws {@link MonitoringOptionError} `E_MONITORING_OPTION`, or `E_DURATION`, for an option that cannot be.
 */
export function createMonitoring(options: MonitoringOptions = {}): Monitoring {
  const { clock = systemClock, keepSpans = 1000 } = options;
  const timer = timerOn(clock);
  const registry = createRegistry(options);
  const chosen = choose(options);
  const memory = memoryExporter(keepSpans);
  const sinks = exporters({ clock, drop: registry.drop, onSample: registry.onSample });
  const tracer = createTracer({
    ...options,
    tracing: chosen.tracing,
    sampler: chosen.sampler,
    onEnd: sinks.exportSpan,
    onLost: registry.drop,
  });
  const push = pusher(clock, toMs(options.pushInterval ?? chosen.pushInterval ?? '10s'), () =>
    sinks.exportMetrics(registry.snapshot),
  );
  const stops = new Set<() => void>();
  let instrumented: Promise<void> | undefined;
  const forgetHook = onShutdown('monitoring', () => close(), { phase: 'flush' });
  let closing: Promise<void> | undefined;

  const addExporter: Monitoring['addExporter'] = (exporter) => {
    if (exporter.exportMetrics) push.start();
    return sinks.add(exporter);
  };
  addExporter(memory);
  for (const exporter of chosen.exporters) addExporter(exporter);

  const flush = async (): Promise<void> => {
    sinks.exportMetrics(registry.snapshot);
    await sinks.flush();
  };
  const close = (): Promise<void> => {
    closing ??= (async () => {
      forgetHook();
      push.stop();
      for (const stop of stops) stop();
      tracer.close();
      await flush();
      await sinks.close();
    })();
    return closing;
  };
  /** What runs until it is stopped, at the latest with the monitoring. */
  const running = (stop: () => void): (() => void) => {
    stops.add(stop);
    return () => {
      stops.delete(stop);
      stop();
    };
  };
  const target = { registry, tracer, timer };

  return {
    ...recordingOf(registry),
    ...tracingOf(tracer),
    ...httpTracing(target),
    registry,
    metricsHandler: (how) => metricsHandlerFor(() => registry, how),
    collectProcessMetrics: (how) => running(processMetricsOf(registry, how)),
    instrument(how) {
      const { stop, ready } = instrumentWith(target, how);
      instrumented = ready;
      return running(stop);
    },
    addExporter,
    recentSpans: memory.spans,
    traceTree: (traceId) => treeOf(memory.spans(), traceId),
    async formatTrace(traceId, how) {
      const { formatTrace } = await import('./tracing/format.ts');
      return formatTrace(treeOf(memory.spans(), traceId), how);
    },
    async ready() {
      if (chosen.problem) throw chosen.problem;
      await sinks.ready();
      await instrumented;
    },
    flush,
    close,
  };
}

/** Serves the metrics of a registry. The code that does loads with the first scrape. */
export function metricsHandlerFor(
  registry: () => Registry,
  { token }: MetricsHandlerOptions = {},
): (request: Request) => Promise<Response> {
  if (token === '') throw new MetricsTokenError();
  return async (request) => (await import('./handler.ts')).serveMetrics(request, registry(), token);
}

const recordingOf = ({
  increment,
  decrement,
  gauge,
  observe,
  startTimer,
  time,
  describe,
}: Registry): Metrics => ({
  increment,
  decrement,
  gauge,
  observe,
  startTimer,
  time,
  describe,
});

const tracingOf = ({
  startSpan,
  setSpanAttributes,
  addSpanEvent,
  endSpan,
  withSpan,
  activeSpan,
  bridgeTo,
}: Tracer): Tracer => ({
  startSpan,
  setSpanAttributes,
  addSpanEvent,
  endSpan,
  withSpan,
  activeSpan,
  bridgeTo,
});

/** What the options say, and the environment where they say nothing; and what is wrong with its variables. */
interface Chosen {
  readonly sampler: Sampler;
  readonly tracing: boolean;
  readonly exporters: readonly MonitoringExporter[];
  readonly pushInterval?: Duration | undefined;
  readonly problem?: unknown;
}

function choose({ sampler, exporters, tracing, env }: MonitoringOptions): Chosen {
  const given = sampler === undefined ? undefined : samplerOf(sampler);
  if (given && exporters) return { sampler: given, exporters, tracing: tracing ?? true };
  try {
    const values = config.read(env);
    const { OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: ratio } = values;
    const named = name.endsWith('traceidratio') ? samplerOf(name, Number(ratio ?? 1)) : samplerOf(name);
    return {
      sampler: given ?? named,
      tracing: tracing ?? !values.OTEL_SDK_DISABLED,
      exporters: exporters ?? exportersFrom(values, env),
      pushInterval: values.OTEL_METRIC_EXPORT_INTERVAL,
    };
  } catch (problem) {
    log.warn(
      { err: problem },
      'the monitoring variables are not valid; metrics and every trace are recorded in process',
    );
    return {
      sampler: given ?? samplerOf('parentbased_always_on'),
      tracing: tracing ?? true,
      exporters: exporters ?? [],
      problem,
    };
  }
}

/** Calls `push` every `interval` milliseconds once started. */
function pusher(clock: Clock, interval: number, push: () => void): { start: () => void; stop: () => void } {
  let cancel: (() => void) | undefined;
  const next = (): void => {
    cancel = clock.after(interval, () => {
      push();
      next();
    });
  };
  return {
    start: () => cancel ?? next(),
    stop: () => cancel?.(),
  };
}
