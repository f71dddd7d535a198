import { createRegistry, type Registry } from '@vibeonrails/infra-monitoring';
import { beforeEach, expect, test } from 'vitest';
import { parseScrape } from './scrape-parser.ts';
import { turnsDuring } from './turns.ts';

let registry: Registry;
beforeEach(() => {
  registry = createRegistry();
  registry.describe('http_requests', {
    type: 'counter',
    help: 'Requests "served", with a \\ and a\nnew line.',
  });
  registry.increment('http_requests', 3, { path: '/a"b\\c\nd', method: 'GET' });
  registry.gauge('temperature', -0.5);
  registry.describe('wait_seconds', { type: 'histogram', buckets: [0.5, 1] });
  for (const value of [0.25, 1, 7]) registry.observe('wait_seconds', value, { queue: 'mail' });
});

test('Prometheus text 0.0.4 looks like this', async () => {
  expect(await registry.render()).toMatchInlineSnapshot(`
    "# HELP http_requests_total Requests "served", with a \\\\ and a\\nnew line.
    # TYPE http_requests_total counter
    http_requests_total{method="GET",path="/a\\"b\\\\c\\nd"} 3
    # TYPE temperature gauge
    temperature -0.5
    # TYPE wait_seconds histogram
    wait_seconds_bucket{queue="mail",le="0.5"} 1
    wait_seconds_bucket{queue="mail",le="1.0"} 2
    wait_seconds_bucket{queue="mail",le="+Inf"} 3
    wait_seconds_sum{queue="mail"} 8.25
    wait_seconds_count{queue="mail"} 3
    "
  `);
});

test('OpenMetrics 1.0 looks like this', async () => {
  expect(await registry.render({ format: 'openmetrics' })).toMatchInlineSnapshot(`
    "# HELP http_requests Requests \\"served\\", with a \\\\ and a\\nnew line.
    # TYPE http_requests counter
    http_requests_total{method="GET",path="/a\\"b\\\\c\\nd"} 3
    # TYPE temperature gauge
    temperature -0.5
    # TYPE wait_seconds histogram
    # UNIT wait_seconds seconds
    wait_seconds_bucket{queue="mail",le="0.5"} 1
    wait_seconds_bucket{queue="mail",le="1.0"} 2
    wait_seconds_bucket{queue="mail",le="+Inf"} 3
    wait_seconds_sum{queue="mail"} 8.25
    wait_seconds_count{queue="mail"} 3
    # EOF
    "
  `);
});

test('sample names and labels are the same in both formats', async () => {
  const samples = async (format: 'prometheus' | 'openmetrics'): Promise<unknown> =>
    parseScrape(await registry.render({ format }), format).flatMap((family) => family.samples);
  expect(await samples('openmetrics')).toEqual(await samples('prometheus'));
});

test('an empty registry renders to nothing, and to the end mark', async () => {
  expect(await createRegistry().render()).toBe('');
  expect(await createRegistry().render({ format: 'openmetrics' })).toBe('# EOF\n');
});

test('OpenMetrics leaves out sum and count of a histogram with negative bounds', async () => {
  const balances = createRegistry();
  balances.describe('balance', { type: 'histogram', buckets: [-10, 0, 10] });
  balances.observe('balance', -5);
  expect(await balances.render({ format: 'openmetrics' })).not.toContain('balance_sum');
  expect(await balances.render()).toContain('balance_sum -5\n');
});

test('the event loop turns while a large scrape renders', async () => {
  const large = createRegistry({ maxSeries: 6000 });
  for (let id = 0; id < 6000; id += 1) large.observe('wait_ms', id, { id });
  let text = '';
  const turns = await turnsDuring(async () => {
    text = await large.render();
  });
  expect(turns).toBeGreaterThan(0);
  expect(text.split('\n')).toHaveLength(6000 * 14 + 2);
});

test('the event loop turns while a large snapshot is read in slices, which is the same as at once', async () => {
  const large = createRegistry({ maxSeries: 20_000 });
  for (let id = 0; id < 20_000; id += 1) large.observe('wait_ms', id, { id });
  large.describe('jobs', { type: 'counter', help: 'Jobs.', unit: 'jobs' });
  large.increment('jobs', 2, { queue: 'mail' });
  large.gauge('depth', -1);
  let read: unknown;
  const turns = await turnsDuring(async () => {
    read = await large.snapshotInSlices();
  });
  expect(turns).toBeGreaterThan(2);
  expect(read).toEqual(large.snapshot());
});
