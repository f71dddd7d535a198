import { describeConfig, modulesInUse, operation, slot } from '@vibeonrails/infra-core';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import {
  activeSpan,
  collectProcessMetrics,
  configureMonitoring,
  createMonitoring,
  decrement,
  describe as describeMetric,
  gauge,
  increment,
  instrument,
  metricsHandler,
  monitoring,
  registry,
  startTimer,
  time,
  traceHandler,
  withHttpSpan,
  withSpan,
} from '@vibeonrails/infra-monitoring';
import { collectSpans, fakeMonitoring } from '@vibeonrails/infra-monitoring/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';

afterEach(async () => {
  await monitoring.close();
  resetInfra();
});

describe('the default monitoring', () => {
  test('is one, whichever way it is called', async () => {
    increment('jobs');
    monitoring.increment('jobs');
    registry.increment('jobs');
    describeMetric('size', { type: 'gauge', help: 'How large.' });
    gauge('size', 2);
    decrement('size');
    time('work_ms', () => 0);
    startTimer('work_ms')();
    expect(registry.value('jobs')).toBe(3);
    expect(monitoring.registry.value('size')).toBe(1);
    expect(registry.value('work_ms')).toBe(2);
    const scrape = await metricsHandler()(new Request('http://localhost'));
    expect(await scrape.text()).toBe(await registry.render());
  });
  test('traces with every call', async () => {
    withSpan('a', (span) => expect(activeSpan()?.spanId).toBe(span.spanId));
    const request = new Request('http://localhost');
    withHttpSpan(request, () => new Response(), { route: '/b' });
    await traceHandler(() => new Response(), { route: '/c' })(request);
    const stop = instrument();
    await monitoring.ready();
    await operation('cache.set').trace(async () => 0, { key: 'k', driver: 'memory' });
    stop();
    expect(monitoring.recentSpans().map(({ name }) => name)).toEqual(['a', 'GET /b', 'GET /c', 'cache.set']);
  });
  test('is configured before its first use', () => {
    configureMonitoring({ keepSpans: 1, env: {} });
    withSpan('a', () => 0);
    withSpan('b', () => 0);
    expect(monitoring.recentSpans()).toHaveLength(1);
  });
  test('cannot be configured once in use, unless it is replaced', () => {
    increment('jobs');
    expect(() => configureMonitoring({})).toThrow(
      expect.objectContaining({ code: 'E_MONITORING_CONFIGURED' }),
    );
    configureMonitoring({ replace: true });
    expect(registry.value('jobs')).toBeUndefined();
  });
  test('describes its variables and its module', () => {
    const own = describeConfig().filter((variable) => variable.package === '@vibeonrails/infra-monitoring');
    expect(own.map(({ variable }) => variable)).toEqual([
      'DD_AGENT_HOST',
      'DD_DOGSTATSD_PORT',
      'DD_ENTITY_ID',
      'DD_ENV',
      'DD_SERVICE',
      'DD_VERSION',
      'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
      'OTEL_BSP_MAX_QUEUE_SIZE',
      'OTEL_BSP_SCHEDULE_DELAY',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_EXPORTER_OTLP_METRICS_COMPRESSION',
      'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT',
      'OTEL_EXPORTER_OTLP_METRICS_HEADERS',
      'OTEL_EXPORTER_OTLP_METRICS_PROTOCOL',
      'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE',
      'OTEL_EXPORTER_OTLP_METRICS_TIMEOUT',
      'OTEL_EXPORTER_OTLP_TRACES_COMPRESSION',
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
      'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
      'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
      'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT',
      'OTEL_METRIC_EXPORT_INTERVAL',
      'OTEL_METRICS_EXPORTER',
      'OTEL_RESOURCE_ATTRIBUTES',
      'OTEL_SDK_DISABLED',
      'OTEL_TRACES_EXPORTER',
      'OTEL_TRACES_SAMPLER',
      'OTEL_TRACES_SAMPLER_ARG',
      'STATSD_URL',
    ]);
    expect(modulesInUse()).toContainEqual(expect.objectContaining({ module: 'monitoring', contract: 1 }));
  });
  test('records apart when another copy made a default this one does not know', async () => {
    const modules = slot('modules', 1, () => new Map<string, { instance?: object }>());
    const entry = modules.get('monitoring') ?? {};
    entry.instance = { contract: 99, value: {} };
    expect(() => increment('jobs')).not.toThrow();
    expect(registry.value('jobs')).toBe(1);
    await expect(monitoring.ready()).rejects.toMatchObject({ code: 'E_MONITORING_CONTRACT' });
    delete entry.instance;
  });
});

describe('process metrics', () => {
  test('are read at each scrape, until stopped', async () => {
    const stop = collectProcessMetrics();
    await monitoring.ready();
    const first = registry.value('process_resident_memory_bytes');
    expect(first).toBeUndefined();
    const names = registry.snapshot().map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'process_cpu_seconds_total',
        'process_resident_memory_bytes',
        'process_start_time_seconds',
        'nodejs_heap_size_used_bytes',
        'nodejs_eventloop_utilization',
        'nodejs_active_resources',
      ]),
    );
    expect(registry.value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    stop();
    registry.gauge('process_resident_memory_bytes', 0);
    registry.snapshot();
    expect(registry.value('process_resident_memory_bytes')).toBe(0);
  });
  test('count processor time once, however many collect it', async () => {
    const stops = [collectProcessMetrics(), collectProcessMetrics()];
    await monitoring.ready();
    registry.snapshot();
    registry.snapshot();
    const { user } = process.cpuUsage();
    expect(registry.value('process_cpu_seconds', { mode: 'user' })).toBeGreaterThan(0);
    expect(registry.value('process_cpu_seconds', { mode: 'user' })).toBeLessThanOrEqual(user / 1e6);
    for (const stop of stops) stop();
  });
  describe('of the event loop', { timeout: 60_000 }, () => {
    const lag = (): number => {
      registry.snapshot();
      return registry.value('nodejs_eventloop_lag_seconds', { percentile: 100 }) ?? 0;
    };
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));
    /** Blocks it until that shows. */
    const block = async (ms: number): Promise<number> => {
      await vi.waitFor(async () => {
        await pause();
        const end = performance.now() + ms;
        while (performance.now() < end);
        await pause();
        expect(lag()).toBeGreaterThan((ms / 1000) * 0.8);
      }, 30_000);
      return lag();
    };
    test('see that it was blocked', async () => {
      const stop = collectProcessMetrics();
      await block(120);
      stop();
    });
    test('forget that it was once ten seconds have passed', async () => {
      const stop = collectProcessMetrics();
      const blocked = await block(500);
      let ahead = 0;
      const now = performance.now.bind(performance);
      const spy = vi.spyOn(performance, 'now').mockImplementation(() => now() + ahead);
      try {
        await vi.waitFor(async () => {
          ahead += 11_000;
          lag();
          await pause();
          expect(lag()).toBeLessThan(blocked);
        }, 20_000);
      } finally {
        spy.mockRestore();
        stop();
      }
    });
  });
  test('can hold the garbage collector’s pauses', async () => {
    const stop = collectProcessMetrics({ gc: true });
    const names = (): string[] => registry.snapshot().map(({ name }) => name);
    while (!names().includes('nodejs_gc_duration_seconds')) {
      Array.from({ length: 100_000 }, () => ({}));
      await new Promise((resolve) => setImmediate(resolve));
    }
    stop();
  });
});

describe('fakeMonitoring', () => {
  test('stands in for the default one and puts it back', () => {
    increment('jobs');
    {
      using fake = fakeMonitoring();
      increment('jobs', 5, { queue: 'a' });
      withSpan('work', () => 0, { attributes: { size: 2 } });
      expect(fake.value('jobs')).toBeUndefined();
      fake.assertMetric('jobs', 5, { queue: 'a' });
      expect(fake.assertSpan('work', { size: 2 }).name).toBe('work');
      expect(() => fake.assertMetric('jobs', 6, { queue: 'a' })).toThrow(
        'unexpected value of jobs {"queue":"a"}',
      );
      expect(() => fake.assertSpan('other')).toThrow(
        'expected a span "other" to have ended; those that did: work',
      );
      expect(() => fake.assertSpan('work', { size: 3 })).toThrow('{"size":3}');
    }
    expect(registry.value('jobs')).toBe(1);
  });
  test('has a clock of its own', async () => {
    using fake = fakeMonitoring();
    const stop = startTimer('work_ms');
    await fake.clock.advance('2s');
    expect(stop()).toBe(2000);
  });
});

describe('collectSpans', () => {
  test('collects what ends while it runs', () => {
    withSpan('before', () => 0);
    const collected = collectSpans();
    withSpan('outer', () => withSpan('inner', () => 0));
    expect(collected.named('inner')).toHaveLength(1);
    expect(collected.tree()).toMatchObject([{ name: 'outer', children: [{ name: 'inner' }] }]);
    collected.clear();
    collected.stop();
    withSpan('after', () => 0);
    expect(collected.spans).toEqual([]);
  });
  test('collects from one monitoring alone when told which', () => {
    const other = createMonitoring({ env: {} });
    using collected = collectSpans(other);
    withSpan('default', () => 0);
    other.withSpan('other', () => 0);
    expect(collected.spans.map(({ name }) => name)).toEqual(['other']);
  });
});
