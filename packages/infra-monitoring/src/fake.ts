import assert from 'node:assert/strict';
import { type FakeClock, fakeClock } from '@vibeonrails/infra-core/testing';
import type { Monitoring } from './contract.ts';
import { type SpanNode, treeOf } from './exporters.ts';
import type { Labels } from './metrics/labels.ts';
import { handle, monitoring } from './module.ts';
import { createMonitoring } from './monitoring.ts';
import type { Attributes, FinishedSpan } from './tracing/span.ts';

/** A monitoring for tests that stands in for the default one, on a clock of its own. */
export interface FakeMonitoring extends Monitoring, Disposable {
  /** Move it to let time pass: `await fake.clock.advance('5m')`. */
  readonly clock: FakeClock;
  /** The value of one series; a histogram's number of samples; `undefined` when nothing was recorded. */
  value(name: string, labels?: Labels): number | undefined;
  /** Fails unless the series has this value; a histogram, this number of samples. */
  assertMetric(name: string, expected: number, labels?: Labels): void;
  /** Fails unless a span of this name ended that has these attributes, and returns it. */
  assertSpan(name: string, attributes?: Attributes): FinishedSpan;
  /** Puts the former default back. `using` does it too. */
  restore(): void;
}

/** Swaps the default monitoring for an empty one until `restore()`, or the end of a `using` block. */
export function fakeMonitoring(): FakeMonitoring {
  const clock = fakeClock();
  const fake = createMonitoring({ clock, sampler: 'always_on', env: {} });
  const putBack = handle.swap(fake);
  let restored = false;
  const restore = (): void => {
    if (restored) return;
    restored = true;
    putBack();
    void fake.close();
  };
  return {
    ...fake,
    clock,
    value: fake.registry.value,
    assertMetric(name, expected, labels) {
      const shown = labels ? `${name} ${JSON.stringify(labels)}` : name;
      assert.equal(fake.registry.value(name, labels), expected, `unexpected value of ${shown}`);
    },
    assertSpan: (name, attributes = {}) => findSpan(fake.recentSpans(), name, attributes),
    restore,
    [Symbol.dispose]: restore,
  };
}

function findSpan(spans: readonly FinishedSpan[], name: string, attributes: Attributes): FinishedSpan {
  const named = spans.filter((span) => span.name === name);
  const seen = [...new Set(spans.map((span) => span.name))].join(', ') || 'none';
  assert.ok(named.length > 0, `expected a span "${name}" to have ended; those that did: ${seen}`);
  const wanted = Object.entries(attributes);
  const found = named.find((span) =>
    wanted.every(([key, value]) => JSON.stringify(span.attributes[key]) === JSON.stringify(value)),
  );
  assert.ok(
    found,
    `no span "${name}" has the attributes ${JSON.stringify(attributes)}; they have ${JSON.stringify(named.map((span) => span.attributes))}`,
  );
  return found;
}

/** The spans that end while it collects. */
export interface SpanCollection extends Disposable {
  /** In the order they ended. */
  readonly spans: readonly FinishedSpan[];
  /** Those of one name. */
  named(name: string): FinishedSpan[];
  /** Those of one trace as trees. @default the trace of the first span */
  tree(traceId?: string): SpanNode[];
  /** Forgets what it has. */
  clear(): void;
  /** Collects no more. `using` does it too. */
  stop(): void;
}

/** Collects the spans of a monitoring as they end. @default the default monitoring */
export function collectSpans(from: Monitoring = monitoring): SpanCollection {
  const spans: FinishedSpan[] = [];
  const remove = from.addExporter({
    name: 'collected spans',
    ready: async () => undefined,
    exportSpan: (span) => void spans.push(span),
    flush: async () => undefined,
    close: async () => undefined,
  });
  const stop = (): void => void remove();
  return {
    spans,
    named: (name) => spans.filter((span) => span.name === name),
    tree: (traceId = spans[0]?.traceId ?? '') => treeOf(spans, traceId),
    clear: () => void spans.splice(0),
    stop,
    [Symbol.dispose]: stop,
  };
}
