import { log } from './core.ts';
import type { ExporterHost, MonitoringExporter } from './driver.ts';
import type { DeferredExporter } from './drivers/options.ts';
import { ExporterError, wholeNumber } from './errors.ts';
import type { MetricSnapshot, Registry } from './metrics/registry.ts';
import type { FinishedSpan } from './tracing/span.ts';

/** The exporters of one monitoring, each fenced off from the application and from the others. */
export interface Exporters {
  /** Adds one; the returned function takes it out, flushed and closed. */
  add(exporter: MonitoringExporter): () => Promise<void>;
  /** @throws {@link ExporterError} `E_MONITORING_EXPORTER` for the first that is not ready. */
  ready(): Promise<void>;
  exportSpan(span: FinishedSpan): void;
  /** Hands every metric to those that want them. `read` is called once, and only when one does. Never rejects. */
  exportMetrics(read: () => Promise<readonly MetricSnapshot[]>): Promise<void>;
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
    async exportMetrics(read) {
      if (!all.some((exporter) => exporter.exportMetrics)) return;
      const metrics = await read();
      for (const exporter of all) {
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

/** The exporter that keeps spans in this process: the newest ones, up to a number. */
export interface MemoryExporter extends MonitoringExporter {
  exportSpan(span: FinishedSpan): void;
  /** What it holds, oldest first. */
  spans(): FinishedSpan[];
}

/** Makes a {@link MemoryExporter} that holds `keep` spans. */
export function memoryExporter(keep: number): MemoryExporter {
  wholeNumber('keepSpans', keep);
  const ring: FinishedSpan[] = [];
  /** Where the oldest one is once the ring is full. */
  let at = 0;
  return {
    name: 'memory',
    ready: async () => undefined,
    exportSpan(span) {
      if (ring.length < keep) {
        ring.push(span);
        return;
      }
      ring[at] = span;
      at = (at + 1) % keep;
    },
    spans: () => [...ring.slice(at), ...ring.slice(0, at)],
    flush: async () => undefined,
    async close() {
      ring.length = 0;
      at = 0;
    },
  };
}

/** A span with those it is the parent of, by the time they started. */
export interface SpanNode extends FinishedSpan {
  readonly children: readonly SpanNode[];
}

/** The spans of one trace as trees. A span whose parent is not among them is a root. */
export function treeOf(spans: readonly FinishedSpan[], traceId: string): SpanNode[] {
  const nodes = spans
    .filter((span) => span.traceId === traceId)
    .sort((a, b) => a.startTime - b.startTime)
    .map((span) => ({ ...span, children: [] as SpanNode[] }));
  const byId = new Map(nodes.map((node) => [node.spanId, node]));
  return nodes.filter((node) => {
    const parent = node.parentSpanId === undefined ? undefined : byId.get(node.parentSpanId);
    parent?.children.push(node);
    return parent === undefined;
  });
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
