import { ok } from 'node:assert';
import { benchmark } from '../../src/benchmark.ts';
import { perCpuSecond } from '../../src/cpu.ts';
import { peer } from '../../src/peers.ts';

interface OtelSpan {
  setAttributes(attributes: object): void;
  end(): void;
}

interface OtelTracer {
  startSpan(name: string): OtelSpan;
  startActiveSpan<T>(name: string, options: object, fn: (span: OtelSpan) => T): T;
}

/** The SDK as its documentation sets it up: context by AsyncLocalStorage, spans batched, an exporter that drops. */
async function otelTracer(): Promise<OtelTracer> {
  const { context, trace } = await peer<{
    context: { setGlobalContextManager(manager: object): boolean };
    trace: { setGlobalTracerProvider(provider: object): boolean; getTracer(name: string): OtelTracer };
  }>('@opentelemetry/api');
  const { BasicTracerProvider, BatchSpanProcessor } = await peer<{
    BasicTracerProvider: new (options: object) => object;
    BatchSpanProcessor: new (exporter: object) => object;
  }>('@opentelemetry/sdk-trace-base');
  const { AsyncLocalStorageContextManager } = await peer<{
    AsyncLocalStorageContextManager: new () => { enable(): object };
  }>('@opentelemetry/context-async-hooks');
  const exporter = {
    export: (_: unknown, done: (result: object) => void) => done({ code: 0 }),
    shutdown: async () => undefined,
    forceFlush: async () => undefined,
  };
  ok(context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
  const spanProcessors = [new BatchSpanProcessor(exporter)];
  ok(trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors })));
  return trace.getTracer('bench');
}

/** Ours as it is by default, the last thousand spans kept, with an exporter that holds as many as theirs and drops. */
async function ourTracing() {
  const { createMonitoring } = await import('@vibeonrails/infra-monitoring');
  const batch: object[] = [];
  return createMonitoring({
    env: {},
    exporters: [
      {
        name: 'dropping',
        ready: async () => undefined,
        exportSpan(span) {
          if (batch.length < 2048) batch.push(span);
        },
        flush: async () => undefined,
        close: async () => undefined,
      },
    ],
  });
}

const PACKAGES = [
  '@opentelemetry/api',
  '@opentelemetry/context-async-hooks',
  '@opentelemetry/sdk-trace-base',
];
const SDK = 'OpenTelemetry SDK';
const facts = { method: 'GET', url: '/api/users' };

export const awaited = benchmark({
  case: 'a span around an awaited call',
  unit: 'spans/CPU s',
  packages: PACKAGES,
  async ours() {
    const monitoring = await ourTracing();
    const figure = await perCpuSecond(async (times) => {
      for (let i = 0; i < times; i += 1)
        await monitoring.withSpan('x', async () => void (await Promise.resolve()), { attributes: facts });
    });
    ok(monitoring.recentSpans().at(-1)?.attributes.method === 'GET');
    return figure;
  },
  peers: {
    async [SDK]() {
      const tracer = await otelTracer();
      return perCpuSecond(async (times) => {
        for (let i = 0; i < times; i += 1)
          await tracer.startActiveSpan('x', { attributes: facts }, async (span) => {
            await Promise.resolve();
            span.end();
          });
      });
    },
  },
  targets: [{ baseline: SDK, atLeast: 2.5 }],
});

export const byId = benchmark({
  case: 'start a span, set two attributes, end it',
  unit: 'spans/CPU s',
  packages: PACKAGES,
  async ours() {
    const monitoring = await ourTracing();
    const figure = await perCpuSecond((times) => {
      for (let i = 0; i < times; i += 1) {
        const span = monitoring.startSpan('x');
        monitoring.setSpanAttributes(span.spanId, facts);
        monitoring.endSpan(span.spanId);
      }
    });
    ok(monitoring.recentSpans().at(-1)?.attributes.method === 'GET');
    return figure;
  },
  peers: {
    async [SDK]() {
      const tracer = await otelTracer();
      return perCpuSecond((times) => {
        for (let i = 0; i < times; i += 1) {
          const span = tracer.startSpan('x');
          span.setAttributes(facts);
          span.end();
        }
      });
    },
  },
  targets: [{ baseline: SDK, atLeast: 2 }],
});
