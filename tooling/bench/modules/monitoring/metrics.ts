import { strictEqual } from 'node:assert';
import { benchmark } from '../../src/benchmark.ts';
import { perCpuSecond } from '../../src/cpu.ts';
import { peer } from '../../src/peers.ts';

/** Two labels, as an application writes them down at each call. */
type Labels = { readonly method: string; readonly path: string };

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;
const PATHS = ['/api/orders', '/api/users/:id', '/api/carts/:id/items', '/health'] as const;
const NAMES = ['method', 'path'] as const;
const CAP = 1000;

const method = (i: number): string => METHODS[i & 3] as string;
const path = (i: number): string => PATHS[(i >> 2) & 3] as string;
const sameOrder = (i: number): Labels => ({ method: method(i), path: path(i) });
const mixedOrder = (i: number): Labels =>
  i & 1 ? { method: method(i >> 1), path: path(i >> 1) } : { path: path(i >> 1), method: method(i >> 1) };
const NEW_PATHS = PATHS.map((known) => `${known}/new`);
const newLabels = (i: number): Labels => ({ method: method(i), path: NEW_PATHS[(i >> 2) & 3] as string });

interface PromClient {
  Registry: new () => { metrics(): Promise<string> };
  Counter: new (
    options: object,
  ) => {
    inc(labels: object, value: number): void;
    get(): Promise<{ values: { value: number }[] }>;
  };
  Histogram: new (
    options: object,
  ) => {
    observe(labels: object, value: number): void;
    get(): Promise<{ values: { value: number; metricName?: string }[] }>;
  };
}

interface Otel {
  MeterProvider: new (
    options: object,
  ) => {
    getMeter(name: string): {
      createCounter(name: string): { add(value: number, labels: object): void };
      createHistogram(name: string): { record(value: number, labels: object): void };
    };
  };
  PeriodicExportingMetricReader: new (options: object) => object;
}

async function otelMeter(): Promise<ReturnType<InstanceType<Otel['MeterProvider']>['getMeter']>> {
  const { MeterProvider, PeriodicExportingMetricReader } = await peer<Otel>('@opentelemetry/sdk-metrics');
  const exporter = {
    export: (_: unknown, done: (result: object) => void) => done({ code: 0 }),
    selectAggregationTemporality: () => 1,
    forceFlush: async () => undefined,
    shutdown: async () => undefined,
  };
  const readers = [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 })];
  return new MeterProvider({ readers }).getMeter('bench');
}

/** Increments through the default instance, as an application does, and sees that none was lost. */
async function ours(labels: (i: number) => Labels): Promise<number> {
  const { increment, registry } = await import('@vibeonrails/infra-monitoring');
  // Every candidate has as many series as the cap, besides the 16.
  for (let i = 0; i < CAP - 16; i += 1) increment('requests', 1, { method: 'GET', path: `/${i}` });
  for (let i = 0; i < 16; i += 1) increment('requests', 1, sameOrder(i));
  let done = CAP;
  const figure = await perCpuSecond((times) => {
    for (let i = 0; i < times; i += 1) increment('requests', 1, labels(i));
    done += times;
  });
  const counter = registry.snapshot().find(({ name }) => name === 'requests_total');
  strictEqual(
    counter?.series.reduce((sum, one) => sum + ('value' in one ? one.value : 0), 0),
    done,
  );
  return figure;
}

async function promIncrement(labels: (i: number) => Labels): Promise<number> {
  const { Counter } = await peer<PromClient>('prom-client');
  const counter = new Counter({ name: 'requests', help: 'Requests.', labelNames: NAMES });
  for (let i = 0; i < CAP - 16; i += 1) counter.inc({ method: 'GET', path: `/${i}` }, 1);
  for (let i = 0; i < 16; i += 1) counter.inc(sameOrder(i), 1);
  let done = CAP;
  const figure = await perCpuSecond((times) => {
    for (let i = 0; i < times; i += 1) counter.inc(labels(i), 1);
    done += times;
  });
  const { values } = await counter.get();
  strictEqual(
    values.reduce((sum, { value }) => sum + value, 0),
    done,
  );
  return figure;
}

async function otelIncrement(labels: (i: number) => Labels): Promise<number> {
  const counter = (await otelMeter()).createCounter('requests');
  for (let i = 0; i < CAP - 16; i += 1) counter.add(1, { method: 'GET', path: `/${i}` });
  return perCpuSecond((times) => {
    for (let i = 0; i < times; i += 1) counter.add(1, labels(i));
  });
}

const packages = ['prom-client', '@opentelemetry/sdk-metrics'];

export const sameOrderOfLabels = benchmark({
  case: 'increment, 2 labels, 16 series, labels in one order',
  unit: 'increments/CPU s',
  packages,
  ours: () => ours(sameOrder),
  peers: {
    'prom-client': () => promIncrement(sameOrder),
    OpenTelemetry: () => otelIncrement(sameOrder),
    'ours, an instance': async () => {
      const { createMonitoring } = await import('@vibeonrails/infra-monitoring');
      const monitoring = createMonitoring({ env: {} });
      for (let i = 0; i < CAP - 16; i += 1)
        monitoring.increment('requests', 1, { method: 'GET', path: `/${i}` });
      return perCpuSecond((times) => {
        for (let i = 0; i < times; i += 1) monitoring.increment('requests', 1, sameOrder(i));
      });
    },
  },
  targets: [
    { baseline: 'prom-client', atLeast: 4 },
    { baseline: 'OpenTelemetry', atLeast: 10 },
    { baseline: 'ours, an instance', atLeast: 0.9 },
  ],
});

export const mixedOrderOfLabels = benchmark({
  case: 'increment, 2 labels, 16 series, labels in two orders',
  unit: 'increments/CPU s',
  packages,
  ours: () => ours(mixedOrder),
  peers: {
    'prom-client': () => promIncrement(mixedOrder),
    OpenTelemetry: () => otelIncrement(mixedOrder),
  },
  targets: [{ baseline: 'prom-client', atLeast: 0.7 }, { baseline: 'OpenTelemetry' }],
});

export const pastTheCap = benchmark({
  case: 'increment, 2 labels, 16 label sets past a cap of 1,000 (the peers keep them)',
  unit: 'increments/CPU s',
  packages,
  ours: () => ours(newLabels),
  peers: {
    'prom-client': () => promIncrement(newLabels),
    OpenTelemetry: () => otelIncrement(newLabels),
  },
  targets: [
    { baseline: 'prom-client', atLeast: 0.5 },
    { baseline: 'OpenTelemetry', atLeast: 10 },
  ],
});

const MS = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
/** From one bucket to the next. */
const sample = (i: number): number => (i * 7919) % 6000;

export const observing = benchmark({
  case: 'observe, 2 labels, 16 series, 11 buckets',
  unit: 'samples/CPU s',
  packages,
  async ours() {
    const { observe, registry } = await import('@vibeonrails/infra-monitoring');
    let done = 0;
    const figure = await perCpuSecond((times) => {
      for (let i = 0; i < times; i += 1) observe('wait_ms', sample(i), sameOrder(i));
      done += times;
    });
    const [histogram] = registry.snapshot();
    strictEqual(
      histogram?.series.reduce((sum, one) => sum + ('count' in one ? one.count : 0), 0),
      done,
    );
    return figure;
  },
  peers: {
    'prom-client': async () => {
      const { Histogram } = await peer<PromClient>('prom-client');
      const histogram = new Histogram({ name: 'wait_ms', help: 'Waiting.', labelNames: NAMES, buckets: MS });
      return perCpuSecond((times) => {
        for (let i = 0; i < times; i += 1) histogram.observe(sameOrder(i), sample(i));
      });
    },
    OpenTelemetry: async () => {
      const histogram = (await otelMeter()).createHistogram('wait_ms');
      return perCpuSecond((times) => {
        for (let i = 0; i < times; i += 1) histogram.record(sample(i), sameOrder(i));
      });
    },
  },
  targets: [{ baseline: 'prom-client', atLeast: 2.5 }, { baseline: 'OpenTelemetry' }],
});

const LABEL_SETS = 1_000_000;
const FITTING = Array.from({ length: CAP }, (_, i) => `user-${i}`);

/** Both make a million texts, ten times each; one of them counts under the thousand that fit. */
async function rssAfter(userOf: (text: string, i: number) => string): Promise<number> {
  const { increment } = await import('@vibeonrails/infra-monitoring');
  for (let i = 0; i < 10 * LABEL_SETS; i += 1)
    increment('requests', 1, { user: userOf(`user-${i % LABEL_SETS}`, i), path: '/api/orders' });
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().rss / 1024 ** 2;
}

export const memory = benchmark({
  case: 'memory after 10 million increments over 1 million label sets',
  unit: 'MB of RSS',
  packages: ['prom-client'],
  ours: () => rssAfter((text) => text),
  peers: {
    'ours, over the 1,000 that fit': () => rssAfter((text, i) => FITTING[(text.length + i) % CAP] as string),
    // The label sets alone: ten increments of each would take it no further.
    'prom-client, 1 million increments': async () => {
      const { Counter } = await peer<PromClient>('prom-client');
      const counter = new Counter({ name: 'requests', help: 'Requests.', labelNames: ['user', 'path'] });
      for (let i = 0; i < 1_000_000; i += 1) counter.inc({ user: `user-${i}`, path: '/api/orders' }, 1);
      (globalThis as { gc?: () => void }).gc?.();
      return process.memoryUsage().rss / 1024 ** 2;
    },
  },
  targets: [
    { baseline: 'ours, over the 1,000 that fit', atMost: 1.1 },
    { baseline: 'prom-client, 1 million increments' },
  ],
});
