// What the page shows of a sign-up afterwards: the e-mail as rendered, its trace as a tree, its log lines. A worker of
// another process leaves its part in the cache.
import { cache } from '@vibeonrails/infra/cache';
import { subscribeOperation } from '@vibeonrails/infra/core';
import { email } from '@vibeonrails/infra/email';
import { type FinishedSpan, monitoring } from '@vibeonrails/infra/monitoring';
import { type LogLine, linesOf } from './logs.ts';

interface Evidence {
  spans: FinishedSpan[];
  lines: LogLine[];
}

/** What this process has seen of a trace. */
const seenHere = (traceId: string): Evidence => ({
  spans: monitoring.recentSpans().filter((span) => span.traceId === traceId),
  lines: linesOf(traceId),
});

/** Leaves in the cache what a job's trace has come to, once the job is over. */
export function keepEvidence(): void {
  const traces = new WeakMap<object, string>();
  subscribeOperation('queue.process', {
    start: (job) => {
      const traceId = monitoring.activeSpan()?.traceId;
      if (traceId) traces.set(job, traceId);
    },
    end: (job) => {
      const traceId = traces.get(job);
      // After the other subscribers: the job's own span ends with it.
      if (traceId)
        setImmediate(
          () => void cache.set(`evidence:${traceId}`, seenHere(traceId), '10m').catch(() => undefined),
        );
    },
  });
}

/** One line of a trace: how deep it lies, when it began after the trace did, and how long it took, in ms. */
export interface TraceLine {
  name: string;
  depth: number;
  start: number;
  ms: number;
}

/** A trace, parents before children, and its log lines, over all processes. */
export async function evidenceOf(traceId: string): Promise<{ trace: TraceLine[]; log: string }> {
  const here = seenHere(traceId);
  const there = await cache.get<Evidence>(`evidence:${traceId}`);
  const spans = new Map([...here.spans, ...(there?.spans ?? [])].map((span) => [span.spanId, span]));
  const lines = new Map(
    [...here.lines, ...(there?.lines ?? [])].map((line) => [`${line.time} ${line.msg}`, line]),
  );
  const log = [...lines.values()].sort((a, b) => a.time - b.time);
  return {
    trace: traceLines([...spans.values()].sort((a, b) => a.startTime - b.startTime)),
    log: log
      .map(({ time, trace_id, msg }) => `${new Date(time).toISOString()} ${trace_id} ${msg}`)
      .join('\n'),
  };
}

function traceLines(spans: readonly FinishedSpan[]): TraceLine[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const began = spans[0]?.startTime ?? 0;
  const under = (parent: string | undefined, depth: number): TraceLine[] =>
    spans
      .filter(({ parentSpanId }) =>
        parent === undefined ? !ids.has(parentSpanId ?? '') : parentSpanId === parent,
      )
      .flatMap(({ spanId, name, startTime, duration }) => [
        { name, depth, start: startTime - began, ms: duration },
        ...under(spanId, depth + 1),
      ]);
  return under(undefined, 0);
}

/** The HTML of the newest e-mail to this address. */
export async function emailTo(address: string): Promise<string> {
  const { outbox } = email;
  const entries = (await outbox?.list({ limit: 100 })) ?? [];
  const entry = entries.find(({ to }) => to.some((recipient) => recipient.email === address));
  return entry && outbox ? (await outbox.read(entry.id)).html : 'This e-mail left through a real transport.';
}
