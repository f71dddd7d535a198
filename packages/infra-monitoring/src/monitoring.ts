import type { Clock, Duration } from '@vibeonrails/infra-core';
import { config } from './config.ts';
import type { MetricsHandlerOptions, Monitoring, MonitoringOptions } from './contract.ts';
import { log, onShutdown, systemClock, timerOn, toMs } from './core.ts';
import type { MonitoringExporter } from './driver.ts';
import { exportersFrom } from './drivers.ts';
import { MetricsTokenError } from './errors.ts';
import { exporters, memoryExporter, treeOf } from './exporters.ts';
import { httpTracing } from './instrument/http.ts';
import type { Metrics } from './metrics/recorder.ts';
import type { Registry } from './metrics/registry.ts';
import { createRegistry } from './metrics.ts';
import type { Sampler, Tracer } from './tracing/tracer.ts';
import { createTracer, samplerOf } from './tracing.ts';

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
    sinks.exportMetrics(registry.snapshotInSlices),
  );
  const late = lateParts();
  const forgetHook = onShutdown('monitoring', () => close(), { phase: 'flush' });
  let closing: Promise<void> | undefined;

  const addExporter: Monitoring['addExporter'] = (exporter) => {
    if (exporter.exportMetrics) push.start();
    return sinks.add(exporter);
  };
  addExporter(memory);
  for (const exporter of chosen.exporters) addExporter(exporter);

  const flush = async (): Promise<void> => {
    await sinks.exportMetrics(registry.snapshotInSlices);
    await sinks.flush();
  };
  const close = (): Promise<void> => {
    closing ??= (async () => {
      forgetHook();
      push.stop();
      late.stop();
      tracer.close();
      await flush();
      await sinks.close();
    })();
    return closing;
  };
  const target = { registry, tracer, timer };

  return {
    ...recordingOf(registry),
    ...tracingOf(tracer),
    ...httpTracing(target),
    registry,
    metricsHandler: (how) => metricsHandlerFor(() => registry, how),
    collectProcessMetrics: (how) =>
      late.start(async () => (await import('./process-metrics.ts')).processMetricsOf(registry, how)),
    instrument: (how) =>
      late.start(async () => (await import('./instrument/instrument.ts')).instrumentWith(target, how)),
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
      await late.ready();
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
function pusher(
  clock: Clock,
  interval: number,
  push: () => unknown,
): { start: () => void; stop: () => void } {
  let cancel: (() => void) | undefined;
  const next = (): void => {
    cancel = clock.after(interval, () => {
      void push();
      next();
    });
  };
  return {
    start: () => cancel ?? next(),
    stop: () => cancel?.(),
  };
}

/** What runs besides the calls, each from when its code has loaded until it is stopped. */
interface LateParts {
  /** Starts one; the returned function stops it, also one that is not there yet. */
  start(begin: () => Promise<() => void>): () => void;
  /** Resolves when all that were started run. */
  ready(): Promise<void>;
  /** Stops them all. */
  stop(): void;
}

function lateParts(): LateParts {
  const running = new Set<() => void>();
  let starting: Promise<void> = Promise.resolve();
  return {
    start(begin) {
      let end: (() => void) | undefined;
      const stop = (): void => {
        running.delete(stop);
        end?.();
      };
      running.add(stop);
      const started = begin().then((made) => {
        if (running.has(stop)) end = made;
        else made();
      });
      starting = Promise.all([starting, started]).then(() => undefined);
      // Whoever awaits ready() is told; nobody else is to be bothered.
      starting.catch((err: unknown) => log.error({ err }, 'a part of the monitoring cannot be loaded'));
      return stop;
    },
    ready: () => starting,
    stop() {
      for (const stop of running) stop();
    },
  };
}
