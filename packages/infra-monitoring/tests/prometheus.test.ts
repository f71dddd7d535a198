import { type FetchHandler, type RunningServer, serve } from '@vibeonrails/infra-core/http';
import { createMonitoring, createRegistry, type Monitoring } from '@vibeonrails/infra-monitoring';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { play } from './fuzz-metrics.ts';

const patience = { timeout: 30_000, interval: 100 };
// Room for several such waits.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const TYPES = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

let monitoring: Monitoring;
beforeEach(() => {
  monitoring = createMonitoring({ env: {} });
});
afterEach(() => monitoring.close());

describeWith('prometheus', 'a real Prometheus', (prometheus) => {
  // One target for all tests, because Prometheus takes five seconds to begin with a new one.
  let server: RunningServer;
  let answer: FetchHandler;
  beforeAll(async () => {
    answer = () => new Response('', { headers: { 'content-type': TYPES.text } });
    server = await serve((request) => answer(request));
    await prometheus().scrape(`${server.url}/metrics`, { token: 'keep-me-secret' });
  });
  afterAll(() => server.close());
  // A scrape may come too late on a busy machine: then the next one counts.
  const healthy = (): Promise<void> =>
    vi.waitFor(async () => {
      expect(await prometheus().target()).toMatchObject({ health: 'up', lastError: '' });
    }, patience);

  describe.each(['text', 'openmetrics'] as const)('that reads %s', (format) => {
    /** Prometheus asks for OpenMetrics where it can have it. Returns the types that were sent. */
    const serveMetrics = (): Set<string | null> => {
      const handler = monitoring.metricsHandler();
      const types = new Set<string | null>();
      answer = async (request) => {
        const response = await handler(format === 'text' ? new Request(request.url) : request);
        types.add(response.headers.get('content-type'));
        return response;
      };
      return types;
    };
    test('stores what was recorded', async () => {
      const name = `orders_${format}`;
      monitoring.increment(name, 3, { shop: 'Köln "Süd" \\ \n' });
      monitoring.gauge(`depth_${format}`, -2.5);
      for (const ms of [1, 30, 70_000]) monitoring.observe(`wait_${format}_ms`, ms, { queue: 'mail' });
      const types = serveMetrics();
      await vi.waitFor(async () => {
        expect(await prometheus().query(`${name}_total`)).toMatchObject([
          { metric: { __name__: `${name}_total`, shop: 'Köln "Süd" \\ \n' }, value: 3 },
        ]);
        expect(await prometheus().query(`depth_${format}`)).toMatchObject([{ value: -2.5 }]);
        const buckets = await prometheus().query(`wait_${format}_ms_bucket{le=~"5.0|50.0|10000.0|\\\\+Inf"}`);
        expect(Object.fromEntries(buckets.map(({ metric, value }) => [metric.le, value]))).toEqual({
          '5.0': 1,
          '50.0': 2,
          '10000.0': 2,
          '+Inf': 3,
        });
        expect(await prometheus().query(`wait_${format}_ms_sum`)).toMatchObject([{ value: 70_031 }]);
      }, patience);
      await healthy();
      expect([...types]).toEqual([TYPES[format]]);
    });
    test.each([11, 12, 13])('takes whatever was recorded, odd names among it (seed %i)', async (seed) => {
      play(monitoring.registry, seed);
      monitoring.gauge('played', seed, { format });
      serveMetrics();
      await vi.waitFor(async () => {
        const played = await prometheus().query(`played{format="${format}"} == ${seed}`);
        expect(played).toHaveLength(1);
      }, patience);
      await healthy();
    });
  });

  test('leads from a histogram to a trace', async () => {
    const span = monitoring.withSpan('work', (current) => {
      monitoring.observe('lead_ms', 30);
      return current;
    });
    answer = monitoring.metricsHandler();
    await vi.waitFor(async () => {
      const [found] = (await prometheus().api(
        `query_exemplars?query=lead_ms_bucket&start=${Date.now() / 1000 - 600}&end=${Date.now() / 1000 + 600}`,
      )) as { exemplars: { labels: object; value: string }[] }[];
      expect(found?.exemplars[0]).toMatchObject({
        labels: { trace_id: span.traceId, span_id: span.spanId },
        value: '30',
      });
    }, patience);
    await healthy();
  });

  test('comes in with the token alone', async () => {
    monitoring.increment('guarded');
    answer = monitoring.metricsHandler({ token: 'another-secret' });
    await vi.waitFor(async () => expect((await prometheus().target())?.lastError).toContain('401'), patience);
    answer = monitoring.metricsHandler({ token: 'keep-me-secret' });
    await vi.waitFor(async () => {
      expect(await prometheus().query('guarded_total')).toMatchObject([{ value: 1 }]);
    }, patience);
  });

  test('takes every process metric', async () => {
    monitoring.collectProcessMetrics({ gc: true });
    answer = monitoring.metricsHandler();
    await vi.waitFor(async () => {
      const [memory] = await prometheus().query('process_resident_memory_bytes');
      expect(memory?.value).toBeGreaterThan(1e6);
    }, patience);
    await healthy();
  });

  test('its promtool finds nothing wrong with a scrape of ours', async () => {
    const registry = createRegistry();
    registry.describe('http_requests', { type: 'counter', help: 'Requests served, "all" of them: \\ \n.' });
    registry.increment('http_requests', 3, { path: '/a"b\\c\nd', method: 'GET' });
    registry.describe('temperature_celsius', { type: 'gauge', help: 'How warm it is.' });
    registry.gauge('temperature_celsius', -0.5);
    registry.describe('wait_seconds', { type: 'histogram', help: 'How long it took.' });
    registry.observe('wait_seconds', 0.2, { queue: 'mail' });
    expect(await prometheus().check(await registry.render())).toEqual({ code: 0, output: '' });
  });

  test('its promtool can read whatever was recorded', async () => {
    for (const seed of [21, 22, 23, 24]) {
      const registry = createRegistry({ maxSeries: 50 });
      play(registry, seed);
      const { output } = await prometheus().check(await registry.render());
      // 3 stands for advice on names and help texts, which are the application's; 1 for a text it cannot read.
      expect(output).not.toMatch(/error while linting|text format parsing error/);
    }
  });
});
