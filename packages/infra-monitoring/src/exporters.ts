import { log } from './core.ts';
import type { ExporterHost, MonitoringExporter } from './driver.ts';
import { ExporterError } from './errors.ts';
import type { DropReason } from './metrics/families.ts';
import type { MetricSnapshot, Registry } from './metrics.ts';
import type { FinishedSpan } from './tracing/span.ts';

/** The exporters of one monitoring, each fenced off from the application and from the others. */
export interface Exporters {
  /** Adds one; the returned function takes it out, flushed and closed. */
  add(exporter: MonitoringExporter): () => Promise<void>;
  /** @throws {@link ExporterError} `E_MONITORING_EXPORTER` for the first that is not ready. */
  ready(): Promise<void>;
  exportSpan(span: FinishedSpan): void;
  /** Hands every metric to those that want them. `read` is called once, and only when one does. */
  exportMetrics(read: () => readonly MetricSnapshot[]): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Makes {@link Exporters}. Each throw is counted as `exporter_threw`. */
export function exporters(host: ExporterHost & Pick<Registry, 'onSample'>): Exporters {
  let all: readonly MonitoringExporter[] = [];
  const reported = new WeakSet<MonitoringExporter>();

  const failed = (exporter: MonitoringExporter, err: unknown): void => {
    host.drop('exporter_threw');
    if (reported.has(exporter)) return;
    reported.add(exporter);
    log.warn(
      { err, exporter: exporter.name },
      'a monitoring exporter failed; later failures are only counted',
    );
  };
  /** One that is asynchronous against the contract must not end the process either. */
  const watch = (exporter: MonitoringExporter, result: unknown): void => {
    if (result instanceof Promise) result.catch((err: unknown) => failed(exporter, err));
  };
  const settle = async (exporter: MonitoringExporter, step: 'flush' | 'close'): Promise<void> => {
    try {
      await exporter[step]();
    } catch (err) {
      failed(exporter, err);
    }
  };

  const sampling = (exporter: MonitoringExporter): (() => void) | undefined =>
    exporter.exportSample &&
    host.onSample((series, value) => {
      try {
        exporter.exportSample?.(series, value);
      } catch (err) {
        failed(exporter, err);
      }
    });

  return {
    add(exporter) {
      try {
        exporter.attach?.(host);
      } catch (err) {
        failed(exporter, err);
      }
      all = [...all, exporter];
      const stopSamples = sampling(exporter);
      return async () => {
        if (!all.includes(exporter)) return;
        stopSamples?.();
        all = all.filter((other) => other !== exporter);
        await settle(exporter, 'flush');
        await settle(exporter, 'close');
      };
    },
    async ready() {
      for (const exporter of all) {
        try {
          await exporter.ready();
        } catch (cause) {
          throw new ExporterError(exporter.name, cause);
        }
      }
    },
    exportSpan(span) {
      for (const exporter of all) {
        try {
          const result: unknown = exporter.exportSpan?.(span);
          if (result !== undefined) watch(exporter, result);
        } catch (err) {
          failed(exporter, err);
        }
      }
    },
    exportMetrics(read) {
      const takers = all.filter((exporter) => exporter.exportMetrics);
      if (takers.length === 0) return;
      const metrics = read();
      for (const exporter of takers) {
        try {
          watch(exporter, exporter.exportMetrics?.(metrics));
        } catch (err) {
          failed(exporter, err);
        }
      }
    },
    flush: async () => void (await Promise.all(all.map((exporter) => settle(exporter, 'flush')))),
    close: async () => void (await Promise.all(all.map((exporter) => settle(exporter, 'close')))),
  };
}

/** How a {@link deferred} exporter is made. */
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

type Call = (exporter: MonitoringExporter) => void;

/**
 * An exporter whose code loads when it is added, so that it costs nothing where none is. What it is given before then
 * waits. A code that cannot be loaded fails `ready()`; until it can be, what finds no room is counted as `unsent`.
 */
export function deferred({ name, takes, room, unsent, load }: DeferredExporter): MonitoringExporter {
  let exporter: MonitoringExporter | undefined;
  let loading: Promise<MonitoringExporter> | undefined;
  let host: ExporterHost | undefined;
  let waiting: Call[] = [];
  let latest: readonly MetricSnapshot[] | undefined;
  let closed = false;

  const loaded = (): Promise<MonitoringExporter> => {
    loading ??= load().then(
      (made) => {
        if (host) made.attach?.(host);
        exporter = made;
        for (const call of waiting) call(made);
        if (latest) made.exportMetrics?.(latest);
        waiting = [];
        latest = undefined;
        return made;
      },
      (cause: unknown) => {
        loading = undefined;
        throw cause;
      },
    );
    return loading;
  };
  /** `ready()` tells whoever asks; what waits is tried again then, and at each flush. */
  const start = (): void =>
    void loaded().catch((err: unknown) =>
      log.warn({ err, exporter: name }, 'a monitoring exporter could not be loaded'),
    );
  const hold = (call: Call): void => {
    if (closed) return;
    if (waiting.length < room) waiting.push(call);
    else host?.drop(unsent);
  };

  return {
    name,
    attach(given) {
      host = given;
      start();
    },
    ready: async () => (await loaded()).ready(),
    ...(takes.includes('spans') && {
      exportSpan(span) {
        if (exporter === undefined) hold((made) => made.exportSpan?.(span));
        else return exporter.exportSpan?.(span);
      },
    }),
    ...(takes.includes('metrics') && {
      exportMetrics(metrics) {
        if (exporter === undefined) latest = closed ? undefined : metrics;
        else return exporter.exportMetrics?.(metrics);
      },
    }),
    ...(takes.includes('samples') && {
      exportSample(series, value) {
        if (exporter === undefined) hold((made) => made.exportSample?.(series, value));
        else return exporter.exportSample?.(series, value);
      },
    }),
    async flush() {
      if (loading || waiting.length > 0 || latest) await (await loaded()).flush();
    },
    async close() {
      closed = true;
      if (!exporter) {
        host?.drop(unsent, waiting.length);
        waiting = [];
        latest = undefined;
      }
      const made = await loading?.catch(() => undefined);
      await made?.close();
    },
  };
}
