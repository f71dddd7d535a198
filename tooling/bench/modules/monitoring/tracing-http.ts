import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer, get } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { benchmark } from '../../src/benchmark.ts';
import { peer } from '../../src/peers.ts';

type Kind = 'bare' | 'ours' | 'otel';

const REQUESTS = 3000;
const BATCHES = 7;

interface HttpServer {
  listen(port: number, host: string): unknown;
  address(): AddressInfo | string | null;
  once(event: 'listening', listener: () => void): unknown;
}

/** A hello-world that reports its processor time. Answers with what a listener of its own needs. */
async function serve(kind: Kind, ratio: number): Promise<void> {
  const server = kind === 'otel' ? await otelServer(ratio) : await plainServer(kind, ratio);
  await new Promise<void>((resolve) => {
    server.once('listening', resolve);
    server.listen(0, '127.0.0.1');
  });
  process.on('message', () => process.send?.(process.cpuUsage()));
  process.on('disconnect', () => process.exit());
  process.send?.((server.address() as AddressInfo).port);
}

const hello = (_: unknown, response: { end(text: string): void }): void => response.end('hello');

async function plainServer(kind: Kind, ratio: number): Promise<HttpServer> {
  if (kind === 'ours') {
    const { createMonitoring } = await import('@vibeonrails/infra-monitoring');
    const nothing = async (): Promise<undefined> => undefined;
    const dropping = { name: 'dropping', ready: nothing, exportSpan() {}, flush: nothing, close: nothing };
    const monitoring = createMonitoring({ env: {}, sampler: ratio, exporters: [dropping] });
    monitoring.instrument();
    await monitoring.ready();
  }
  return createServer(hello);
}

/** OpenTelemetry's own instrumentation of HTTP, with metrics and traces, and exporters that drop. */
async function otelServer(ratio: number): Promise<HttpServer> {
  type Make = new (...options: never[]) => object;
  const { context, trace, metrics } =
    await peer<Record<'context' | 'trace' | 'metrics', Record<string, (x: object) => void>>>(
      '@opentelemetry/api',
    );
  const sdk = await peer<Record<string, Make>>('@opentelemetry/sdk-trace-base');
  const meters = await peer<Record<string, Make>>('@opentelemetry/sdk-metrics');
  const hooks = await peer<Record<string, Make>>('@opentelemetry/context-async-hooks');
  const { registerInstrumentations } = await peer<{ registerInstrumentations(options: object): void }>(
    '@opentelemetry/instrumentation',
  );
  const { HttpInstrumentation } = await peer<Record<string, Make>>('@opentelemetry/instrumentation-http');
  const made = (of: Make | undefined, ...options: unknown[]): Record<string, () => object> =>
    new (of as new (...given: unknown[]) => Record<string, () => object>)(...options);
  const done = (_: unknown, callback: (result: object) => void): void => callback({ code: 0 });
  const exporter = {
    export: done,
    shutdown: async () => undefined,
    forceFlush: async () => undefined,
    selectAggregationTemporality: () => 1,
  };
  context.setGlobalContextManager?.(made(hooks.AsyncLocalStorageContextManager).enable?.() as object);
  const sampler = made(sdk.ParentBasedSampler, { root: made(sdk.TraceIdRatioBasedSampler, ratio) });
  const spanProcessors = [made(sdk.BatchSpanProcessor, exporter)];
  trace.setGlobalTracerProvider?.(made(sdk.BasicTracerProvider, { sampler, spanProcessors }));
  const reader = made(meters.PeriodicExportingMetricReader, { exporter, exportIntervalMillis: 10_000 });
  metrics.setGlobalMeterProvider?.(made(meters.MeterProvider, { readers: [reader] }));
  registerInstrumentations({ instrumentations: [made(HttpInstrumentation)] });
  // It hooks into require(): what was imported before is not instrumented.
  const http = createRequire(import.meta.url)('http') as typeof import('node:http');
  return http.createServer(hello);
}

const role = process.env.BENCH_TRACING_HTTP;
if (role !== undefined && process.send) {
  const [kind, ratio] = role.split(' ');
  await serve(kind as Kind, Number(ratio));
}

interface Server {
  readonly port: number;
  cpu(): Promise<number>;
  readonly child: ChildProcess;
}

async function start(kind: Kind, ratio: number): Promise<Server> {
  const child = fork(fileURLToPath(import.meta.url), [], {
    env: { ...process.env, BENCH_TRACING_HTTP: `${kind} ${ratio}` },
  });
  const [port] = (await once(child, 'message')) as [number];
  return {
    port,
    child,
    async cpu() {
      child.send('cpu');
      const [{ user, system }] = (await once(child, 'message')) as [NodeJS.CpuUsage];
      return user + system;
    },
  };
}

/** Microseconds of the server's processor time for a request. */
async function batch(server: Server, agent: Agent): Promise<number> {
  const before = await server.cpu();
  let left = REQUESTS;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await new Promise<void>((resolve, reject) => {
        get({ port: server.port, host: '127.0.0.1', agent }, (response) =>
          response.resume().on('end', resolve),
        ).on('error', reject);
      });
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return ((await server.cpu()) - before) / REQUESTS;
}

/** What the instrumentation adds to a request: the median of batches that alternate with those of a bare server. */
async function added(kind: Kind, ratio: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const [bare, instrumented] = [await start('bare', 1), await start(kind, ratio)];
  try {
    const differences: number[] = [];
    for (let i = 0; i < BATCHES + 2; i += 1) {
      const without = await batch(bare, agent);
      const withIt = await batch(instrumented, agent);
      // The first two warm up.
      if (i >= 2) differences.push(withIt - without);
    }
    return differences.sort((a, b) => a - b)[BATCHES >> 1] as number;
  } finally {
    agent.destroy();
    bare.child.kill();
    instrumented.child.kill();
  }
}

const PACKAGES = [
  '@opentelemetry/api',
  '@opentelemetry/context-async-hooks',
  '@opentelemetry/instrumentation',
  '@opentelemetry/instrumentation-http',
  '@opentelemetry/sdk-metrics',
  '@opentelemetry/sdk-trace-base',
];
const PEER = 'OpenTelemetry auto-instrumentation';

const sampled = (percent: number) =>
  benchmark({
    case: `added to an HTTP hello-world, metrics and traces, ${percent} % sampled`,
    unit: 'CPU µs/request',
    packages: PACKAGES,
    ours: () => added('ours', percent / 100),
    peers: { [PEER]: () => added('otel', percent / 100) },
    targets: [{ baseline: PEER, atMost: 0.4 }],
  });

export const tenth = sampled(10);
export const all = sampled(100);
