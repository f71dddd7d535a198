import type { FinishedSpan } from './span.ts';

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
