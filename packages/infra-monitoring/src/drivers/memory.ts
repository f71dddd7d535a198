import type { MonitoringExporter } from '../driver.ts';
import { wholeNumber } from '../errors.ts';
import type { FinishedSpan } from '../tracing/span.ts';

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
