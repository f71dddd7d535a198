import { AsyncLocalStorage } from 'node:async_hooks';
import { operation, runWithContext } from '@vibeonrails/infra-core';
import { createMonitoring, type Monitoring } from '@vibeonrails/infra-monitoring';
import { bridgeOpenTelemetry } from '@vibeonrails/infra-monitoring/opentelemetry';
import { afterEach, beforeEach, expect, test } from 'vitest';

// What an SDK registers on globalThis, in the forms that @opentelemetry/api 1 gives them.
const API = Symbol.for('opentelemetry.js.api.1');
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN');

class Context {
  readonly #values: ReadonlyMap<symbol, unknown>;
  constructor(values: ReadonlyMap<symbol, unknown> = new Map()) {
    this.#values = values;
  }
  getValue(key: symbol): unknown {
    return this.#values.get(key);
  }
  setValue(key: symbol, value: unknown): Context {
    return new Context(new Map(this.#values).set(key, value));
  }
}

interface Recorded {
  readonly name: string;
  readonly spanId: string;
  readonly traceId: string;
  readonly parentId: string | undefined;
  readonly calls: unknown[][];
}
type Active = { spanContext(): { traceId: string; spanId: string; traceFlags: number } };

function registerSdk(sampled = true) {
  const storage = new AsyncLocalStorage<Context>();
  const spans: Recorded[] = [];
  let ids = 0;
  const startSpan = (name: string, _: object, context: Context) => {
    const parent = (context.getValue(SPAN) as Active | undefined)?.spanContext();
    ids += 1;
    const spanId = ids.toString(16).padStart(16, '0');
    const traceId = parent?.traceId ?? ids.toString(16).padStart(32, 'a');
    const calls: unknown[][] = [];
    spans.push({ name, spanId, traceId, parentId: parent?.spanId, calls });
    const note =
      (method: string) =>
      (...given: unknown[]) =>
        void calls.push([method, ...given]);
    const methods = ['updateName', 'setAttributes', 'addEvent', 'recordException', 'setStatus', 'end'];
    return {
      spanContext: () => ({ traceId, spanId, traceFlags: sampled ? 1 : 0 }),
      ...Object.fromEntries(methods.map((method) => [method, note(method)])),
    };
  };
  const context = { active: () => storage.getStore() ?? new Context() };
  (globalThis as Record<symbol, unknown>)[API] = { context, trace: { getTracer: () => ({ startSpan }) } };
  return {
    spans,
    context,
    /** As their `tracer.startActiveSpan()` does. */
    startActiveSpan<T>(name: string, fn: () => T): T {
      const active = context.active();
      return storage.run(active.setValue(SPAN, startSpan(name, {}, active)), fn);
    },
    parents: () =>
      Object.fromEntries(
        spans.map(({ name, parentId }) => [name, spans.find(({ spanId }) => spanId === parentId)?.name]),
      ),
  };
}

let monitoring: Monitoring;
beforeEach(() => {
  monitoring = createMonitoring({ env: {} });
});
afterEach(async () => {
  await monitoring.close();
  delete (globalThis as Record<symbol, unknown>)[API];
});

test('spans of both are each other’s parents and children, in one trace', async () => {
  const sdk = registerSdk();
  const stop = bridgeOpenTelemetry(monitoring);
  await sdk.startActiveSpan('theirs', () =>
    monitoring.withSpan('ours', async () => {
      await Promise.resolve();
      await sdk.startActiveSpan('theirs within', async () => {
        await Promise.resolve();
        monitoring.withSpan('ours within', () => 0);
      });
      sdk.startActiveSpan('theirs after', () => 0);
    }),
  );
  stop();
  expect(sdk.parents()).toEqual({
    theirs: undefined,
    ours: 'theirs',
    'theirs within': 'ours',
    'ours within': 'theirs within',
    'theirs after': 'ours',
  });
  expect(new Set(sdk.spans.map(({ traceId }) => traceId)).size).toBe(1);
  const ours = sdk.spans.filter(({ name }) => name.startsWith('ours')).map(({ spanId }) => spanId);
  expect(
    monitoring
      .recentSpans()
      .map(({ spanId }) => spanId)
      .sort(),
  ).toEqual(ours.sort());
});

test('an operation of a module is current for theirs as well', async () => {
  const sdk = registerSdk();
  const stop = bridgeOpenTelemetry(monitoring);
  monitoring.instrument();
  await monitoring.ready();
  const payload = { key: 'k', driver: 'memory' };
  await operation('cache.load').trace(async () => sdk.startActiveSpan('query', () => 1), payload);
  stop();
  expect(sdk.parents()).toEqual({ 'cache.load': undefined, query: 'cache.load' });
});

test('a context that came with a job is inside of what surrounds it', () => {
  const sdk = registerSdk();
  const stop = bridgeOpenTelemetry(monitoring);
  const trace = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), sampled: true };
  sdk.startActiveSpan('stale', () =>
    runWithContext({ trace }, () => {
      monitoring.withSpan('job', () => 0);
      sdk.startActiveSpan('query', () => 0);
    }),
  );
  stop();
  for (const name of ['job', 'query'])
    expect(sdk.spans.find((span) => span.name === name)).toMatchObject({
      traceId: trace.traceId,
      parentId: trace.spanId,
    });
});

test('what was recorded reaches their span at its end', () => {
  const sdk = registerSdk();
  const stop = bridgeOpenTelemetry(monitoring);
  const span = monitoring.startSpan('x', { parent: null });
  monitoring.setSpanAttributes(span.spanId, { a: 1 });
  monitoring.addSpanEvent(span.spanId, 'e', { b: 2 });
  monitoring.endSpan(span.spanId, { error: new TypeError('no'), name: 'better' });
  stop();
  const calls = sdk.spans[0]?.calls ?? [];
  expect(calls.map(([method]) => method)).toEqual([
    'updateName',
    'setAttributes',
    'addEvent',
    'recordException',
    'setStatus',
    'end',
  ]);
  expect(calls[0]?.[1]).toBe('better');
  expect(calls[1]?.[1]).toEqual({ a: 1 });
  expect(calls[4]?.[1]).toEqual({ code: 2, message: 'no' });
});

test('the SDK decides what is sampled', () => {
  registerSdk(false);
  const stop = bridgeOpenTelemetry(monitoring);
  expect(monitoring.withSpan('x', (span) => span.sampled)).toBe(false);
  stop();
  expect(monitoring.recentSpans()).toEqual([]);
});

test('an SDK that throws costs nothing, and without one there is nothing to do', () => {
  bridgeOpenTelemetry(monitoring)();
  const sdk = registerSdk();
  const { trace } = (
    globalThis as never as Record<symbol, { trace: { getTracer(): { startSpan(): void } } }>
  )[API] ?? { trace: { getTracer: () => ({ startSpan: () => undefined }) } };
  const tracer = {
    startSpan() {
      throw new Error('no');
    },
  };
  trace.getTracer = () => tracer;
  const stop = bridgeOpenTelemetry(monitoring);
  expect(monitoring.withSpan('x', () => 7)).toBe(7);
  stop();
  expect(monitoring.recentSpans()).toHaveLength(1);
  monitoring.withSpan('after', () => sdk.startActiveSpan('theirs', () => 0));
});
