import { log } from './core.ts';
import type { ExporterHost, MonitoringExporter } from './driver.ts';
import { ExporterError } from './errors.ts';
import type { MetricSnapshot } from './metrics/snapshot.ts';
import type { Registry } from './metrics.ts';
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
