import { createRegistry, type MetricsFormat, type Registry } from '@vibeonrails/infra-monitoring';
import { expect, test } from 'vitest';
import { play } from './fuzz-metrics.ts';
import { parseScrape } from './scrape-parser.ts';

/** What a scrape holds, in the form of a snapshot. */
function scraped(text: string, format: MetricsFormat): unknown[] {
  return parseScrape(text, format).map(({ name, type, samples }) => {
    const full = type === 'counter' && format === 'openmetrics' ? `${name}_total` : name;
    if (type !== 'histogram')
      return {
        name: full,
        type,
        series: samples.map(({ labels, value }) => ({
          labels: Object.fromEntries(labels),
          value: value + 0,
        })),
      };
    const series: { labels: object; buckets: object[]; sum?: number; count?: number }[] = [];
    for (const sample of samples) {
      const { le, ...labels } = Object.fromEntries(sample.labels) as { le?: string };
      if (sample.name.endsWith('_bucket') && le !== undefined) {
        if (!series.at(-1) || series.at(-1)?.count !== undefined) series.push({ labels, buckets: [] });
        series.at(-1)?.buckets.push({ le: Number(le.replace('Inf', 'Infinity')), count: sample.value });
      } else
        Object.assign(
          series.at(-1) ?? {},
          sample.name.endsWith('_sum') ? { sum: sample.value } : { count: sample.value },
        );
    }
    return { name, type, series };
  });
}

const snapshot = (registry: Registry): unknown[] =>
  registry.snapshot().map(({ name, type, series }) => ({
    name,
    type,
    // A scrape has no sign for zero, and neither the smallest nor the largest sample.
    series: series.map((one) => {
      if ('value' in one) return { ...one, value: one.value + 0 };
      const { min: _, max: __, ...histogram } = one;
      return { ...histogram, sum: one.sum + 0 };
    }),
  }));

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'whatever is recorded, a strict reader sees what the registry holds (seed %i)',
  async (seed) => {
    const registry = createRegistry({ maxSeries: 20 });
    play(registry, seed);
    const held = snapshot(registry);
    expect(held.length).toBeGreaterThan(30);
    for (const format of ['prometheus', 'openmetrics'] as const) {
      const text = await registry.render({ format });
      expect(text).toBe(Buffer.from(text).toString());
      expect(scraped(text, format)).toEqual(held);
    }
  },
);

test('series never pass the cap by more than the overflow one', () => {
  const registry = createRegistry({ maxSeries: 20 });
  play(registry, 99);
  for (const { series } of registry.snapshot()) expect(series.length).toBeLessThanOrEqual(21);
});
