import { ok, strictEqual } from 'node:assert';
import { benchmark } from '../../src/benchmark.ts';
import { peer } from '../../src/peers.ts';

interface PromClient {
  Registry: new () => { metrics(): Promise<string> };
  Counter: new (options: object) => { inc(labels: object, value: number): void };
  Histogram: new (options: object) => { observe(labels: object, value: number): void };
}

/** Records in every series, so that no two scrapes are the same, and renders. */
interface Scraped {
  readonly touch: (round: number) => void;
  readonly render: () => Promise<string>;
}

const MS = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
const labelsOf = (i: number): { path: string; status: string } => ({
  path: `/api/orders/${i >> 1}`,
  status: i & 1 ? '200' : '404',
});

async function ours(counters: number, histograms: number): Promise<Scraped> {
  const { createRegistry } = await import('@vibeonrails/infra-monitoring');
  const registry = createRegistry({ maxSeries: Math.max(counters, histograms, 1) });
  return {
    touch(round) {
      for (let i = 0; i < counters; i += 1) registry.increment('requests', i + 0.5, labelsOf(i));
      for (let i = 0; i < histograms; i += 1)
        registry.observe('wait_ms', (i * 7 + round) % 6000, labelsOf(i));
    },
    render: () => registry.render(),
  };
}

async function promClient(counters: number, histograms: number): Promise<Scraped> {
  const { Registry, Counter, Histogram } = await peer<PromClient>('prom-client');
  const registry = new Registry();
  const shared = { help: 'As it says.', labelNames: ['path', 'status'], registers: [registry] };
  const counter = new Counter({ ...shared, name: 'requests_total' });
  const histogram = new Histogram({ ...shared, name: 'wait_ms', buckets: MS });
  return {
    touch(round) {
      for (let i = 0; i < counters; i += 1) counter.inc(labelsOf(i), i + 0.5);
      for (let i = 0; i < histograms; i += 1) histogram.observe(labelsOf(i), (i * 7 + round) % 6000);
    },
    render: () => registry.metrics(),
  };
}

const SCRAPES = 8;
const samplesIn = (text: string): number => text.split('\n').filter((line) => /^[^#]/.test(line)).length;

/** Milliseconds of processor time for one scrape, the first ones left out. */
async function cpuOfScrape({ touch, render }: Scraped): Promise<number> {
  let taken = 0;
  for (let round = 0; round < SCRAPES + 2; round += 1) {
    touch(round);
    const before = process.cpuUsage();
    const text = await render();
    const { user, system } = process.cpuUsage(before);
    if (round >= 2) taken += (user + system) / 1000;
    strictEqual(samplesIn(text), 10_000 + 10_000 * (MS.length + 3));
  }
  return taken / SCRAPES;
}

export const scrape = benchmark({
  case: 'scrape of 10,000 counters and 10,000 histograms',
  unit: 'CPU ms',
  packages: ['prom-client'],
  ours: async () => cpuOfScrape(await ours(10_000, 10_000)),
  peers: { 'prom-client': async () => cpuOfScrape(await promClient(10_000, 10_000)) },
  targets: [{ baseline: 'prom-client', atMost: 0.4 }],
});

/** The most processor time between two turns of the event loop while `work` is under way, in milliseconds. */
async function longestHold(touch: (round: number) => void, work: () => Promise<void>): Promise<number> {
  const holds: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    touch(round);
    let longest = 0;
    let rendering = true;
    let last = process.cpuUsage();
    const turn = (): void => {
      const { user, system } = process.cpuUsage(last);
      longest = Math.max(longest, (user + system) / 1000);
      last = process.cpuUsage();
      if (rendering) setImmediate(turn);
    };
    setImmediate(turn);
    await new Promise(setImmediate);
    longest = 0;
    await work();
    await new Promise(setImmediate);
    rendering = false;
    holds.push(longest);
  }
  // The middle one: the first ones compile.
  return holds.sort((a, b) => a - b)[2] as number;
}

const holdOfScrape = ({ touch, render }: Scraped): Promise<number> =>
  longestHold(touch, async () => ok((await render()).length > 10_000_000));

export const holding = benchmark({
  case: 'longest hold of the event loop by a scrape of 100,000 series, half of them histograms',
  unit: 'CPU ms',
  packages: ['prom-client'],
  ours: async () => holdOfScrape(await ours(50_000, 50_000)),
  peers: { 'prom-client': async () => holdOfScrape(await promClient(50_000, 50_000)) },
});

/** Metrics that are read for exporters and written for a collector that is away, so that sending takes no time. */
async function holdOfPush(): Promise<number> {
  const { createMonitoring, otlp } = await import('@vibeonrails/infra-monitoring');
  const away = otlp({ endpoint: 'http://127.0.0.1:9', signals: ['metrics'], retryFor: 0 });
  const monitoring = createMonitoring({ env: {}, maxSeries: 50_000, exporters: [away] });
  await monitoring.ready();
  return longestHold((round) => {
    for (let i = 0; i < 50_000; i += 1) {
      monitoring.increment('requests', i + 0.5, labelsOf(i));
      monitoring.observe('wait_ms', (i * 7 + round) % 6000, labelsOf(i));
    }
  }, monitoring.flush);
}

export const holdingAtPush = benchmark({
  case: 'longest hold of the event loop by a push of 100,000 series over OTLP, half of them histograms',
  unit: 'CPU ms',
  packages: [],
  ours: holdOfPush,
  peers: {
    'all read in one step': async () => {
      const { createRegistry } = await import('@vibeonrails/infra-monitoring');
      const registry = createRegistry({ maxSeries: 50_000 });
      return longestHold(
        (round) => {
          for (let i = 0; i < 50_000; i += 1) {
            registry.increment('requests', i + 0.5, labelsOf(i));
            registry.observe('wait_ms', (i * 7 + round) % 6000, labelsOf(i));
          }
        },
        async () => ok(registry.snapshot().length > 0),
      );
    },
  },
});
