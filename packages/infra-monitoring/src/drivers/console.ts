import { systemClock } from '../core.ts';
import type { ExporterHost, MonitoringExporter } from '../driver.ts';
import { treeOf } from '../exporters.ts';
import { formatTrace } from '../tracing/format.ts';
import type { FinishedSpan } from '../tracing/span.ts';
import type { ConsoleSettings } from './options.ts';

/** Traces held at once; the one that has waited longest is printed when there are more. */
const MAX_TRACES = 100;
const MAX_SPANS = 1000;

/** How long a trace waits whose beginning is still under way, in milliseconds. */
const LONGEST = 10_000;

/** Where work begins in this process: what is above it ends elsewhere, or never. */
const isEntry = ({ parentSpanId, kind }: FinishedSpan): boolean =>
  parentSpanId === undefined || kind === 'server' || kind === 'consumer';

interface Waiting {
  readonly spans: FinishedSpan[];
  cancel(): void;
}

/** Makes the exporter that `consoleExporter()` stands for. */
export function printingExporter({ quiet, color, write }: ConsoleSettings): MonitoringExporter {
  const traces = new Map<string, Waiting>();
  let clock: ExporterHost['clock'] = systemClock;
  let closed = false;

  const print = (traceId: string): void => {
    const waiting = traces.get(traceId);
    if (!waiting) return;
    traces.delete(traceId);
    waiting.cancel();
    const text = formatTrace(treeOf(waiting.spans, traceId), { color });
    write(`trace ${traceId}\n${text}\n\n`);
  };
  const printAll = (): void => {
    for (const traceId of [...traces.keys()]) print(traceId);
  };

  return {
    name: 'console',
    attach(host) {
      clock = host.clock;
    },
    ready: async () => undefined,
    exportSpan(span) {
      if (closed) return;
      const { traceId } = span;
      const before = traces.get(traceId);
      before?.cancel();
      const spans = before?.spans ?? [];
      spans.push(span);
      // A trace has no end of its own: it is printed when nothing more has come of it for a while.
      const wait = spans.some(isEntry) ? quiet : Math.max(quiet, LONGEST);
      traces.set(traceId, { spans, cancel: clock.after(wait, () => print(traceId)) });
      if (spans.length >= MAX_SPANS) print(traceId);
      const [oldest] = traces.keys();
      if (traces.size > MAX_TRACES && oldest !== undefined) print(oldest);
    },
    flush: async () => printAll(),
    async close() {
      closed = true;
      printAll();
    },
  };
}
