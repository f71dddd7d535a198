import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import type { Registry } from './metrics/registry.ts';

/** What `collectProcessMetrics()` collects. */
export interface ProcessMetricsOptions {
  /** Also the pauses of the garbage collector, as a histogram. @default false, since each pause then costs a little more */
  gc?: boolean;
}

/** How often the event loop's delay is sampled, in milliseconds. */
const RESOLUTION = 20;
/** The shortest window the delay's percentiles describe, so that two scrapers do not halve each other's. */
const WINDOW = 10_000;

const GAUGES: Readonly<Record<string, string>> = {
  process_resident_memory_bytes: 'Memory the process holds, in bytes.',
  process_start_time_seconds: 'When the process started, in seconds since the Unix epoch.',
  nodejs_heap_size_total_bytes: 'Memory V8 has reserved for the heap, in bytes.',
  nodejs_heap_size_used_bytes: 'Memory V8 uses of the heap, in bytes.',
  nodejs_external_memory_bytes: 'Memory of objects outside the heap, in bytes.',
  nodejs_array_buffers_bytes: 'Memory of buffers, part of the external memory, in bytes.',
  nodejs_active_resources: 'Handles and requests that keep the process alive, by type.',
  nodejs_eventloop_lag_seconds:
    'How late the event loop ran its timers since the last window, by percentile.',
  nodejs_eventloop_utilization: 'Share of the time the event loop was busy since the last scrape, 0 to 1.',
  nodejs_version_info: 'The version of Node, as a label.',
};

/** Reads the process's own metrics at each scrape and snapshot of `registry`, until the returned function is called. */
export function processMetricsOf(registry: Registry, options: ProcessMetricsOptions = {}): () => void {
  for (const [name, help] of Object.entries(GAUGES)) registry.describe(name, { type: 'gauge', help });
  registry.describe('process_cpu_seconds', {
    type: 'counter',
    help: 'Processor time used, by mode, in seconds.',
  });
  const loop = loopReader(registry);
  const stopGc = options.gc ? observeGc(registry) : undefined;
  const forget = registry.collect(() => {
    readCpu(registry);
    loop.read();
    readMemory(registry);
    readResources(registry);
  });
  return () => {
    forget();
    loop.stop();
    stopGc?.();
  };
}

/** Up to the total, whoever added what is there: reading twice, or starting anew, counts nothing twice. */
function readCpu(registry: Registry): void {
  const { user, system } = process.cpuUsage();
  for (const [mode, micros] of Object.entries({ user, system })) {
    const counted = registry.value('process_cpu_seconds', { mode }) ?? 0;
    registry.increment('process_cpu_seconds', Math.max(0, micros / 1e6 - counted), { mode });
  }
}

function readMemory(registry: Registry): void {
  const memory = process.memoryUsage();
  registry.gauge('process_resident_memory_bytes', memory.rss);
  registry.gauge('nodejs_heap_size_total_bytes', memory.heapTotal);
  registry.gauge('nodejs_heap_size_used_bytes', memory.heapUsed);
  registry.gauge('nodejs_external_memory_bytes', memory.external);
  registry.gauge('nodejs_array_buffers_bytes', memory.arrayBuffers);
  registry.gauge('process_start_time_seconds', performance.timeOrigin / 1000);
  registry.gauge('nodejs_version_info', 1, { version: process.version });
}

const resourceTypes = new Set<string>();

function readResources(registry: Registry): void {
  const counts = new Map<string, number>([...resourceTypes].map((type) => [type, 0]));
  for (const type of process.getActiveResourcesInfo()) {
    resourceTypes.add(type);
    counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  for (const [type, count] of counts) registry.gauge('nodejs_active_resources', count, { type });
}

function loopReader(registry: Registry): { read: () => void; stop: () => void } {
  // Its timer does not keep the process alive.
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  delay.enable();
  let windowStart = performance.now();
  let used = performance.eventLoopUtilization();
  /** The histogram holds whole intervals, in nanoseconds: what is over the resolution is lag. */
  const lag = (ns: number): number => (Number.isFinite(ns) ? Math.max(0, ns / 1e9 - RESOLUTION / 1000) : 0);
  return {
    read() {
      if (delay.count > 0) {
        for (const percent of [50, 90, 99])
          registry.gauge('nodejs_eventloop_lag_seconds', lag(delay.percentile(percent)), {
            percentile: percent,
          });
        registry.gauge('nodejs_eventloop_lag_seconds', lag(delay.max), { percentile: 100 });
      }
      if (performance.now() - windowStart > WINDOW) {
        windowStart = performance.now();
        delay.reset();
      }
      const now = performance.eventLoopUtilization();
      registry.gauge('nodejs_eventloop_utilization', performance.eventLoopUtilization(now, used).utilization);
      used = now;
    },
    stop: () => void delay.disable(),
  };
}

interface GcEntry {
  readonly duration: number;
  readonly detail?: { readonly kind?: number };
}

const GC_KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
};

function observeGc(registry: Registry): () => void {
  registry.describe('nodejs_gc_duration_seconds', {
    type: 'histogram',
    help: 'Pauses of the garbage collector, by kind, in seconds.',
    buckets: [0.001, 0.01, 0.1, 1],
  });
  const observer = new PerformanceObserver((list) => {
    for (const { duration, detail } of list.getEntries() as readonly GcEntry[]) {
      const kind = GC_KINDS[detail?.kind ?? -1] ?? 'other';
      registry.observe('nodejs_gc_duration_seconds', duration / 1000, { kind });
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}
