import { log } from './core.ts';
import type { ExporterHost, MonitoringExporter } from './driver.ts';
import type { DropReason } from './metrics/families.ts';
import type { MetricSnapshot } from './metrics/snapshot.ts';

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
