import { createRegistry, type MetricsFormat, type Registry } from '@vibeonrails/infra-monitoring';
import { expect, test } from 'vitest';
import { parseScrape } from './scrape-parser.ts';

/** Reproducible randomness (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const PARTS = [
  'a',
  'b_total',
  '_count',
  '_sum',
  '_bucket',
  '_ms',
  '_bytes',
  'le',
  '__proto__',
  'constructor',
  '0',
  '_',
];
const TEXTS = [
  '"',
  '\\',
  '\n',
  '\r',
  ',',
  '=',
  '{',
  '}',
  '#',
  ' ',
  '\0',
  'é',
  '☃',
  '😀',
  '\uD800',
  '\uDFFF',
  'x',
  '',
];
const VALUES = [
  0,
  -0,
  1,
  -1,
  0.1,
  1e-9,
  1e21,
  1e300,
  -1e300,
  5,
  Number.NaN,
  Infinity,
  -Infinity,
  Number.MAX_VALUE,
];

function play(registry: Registry, seed: number): void {
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const text = (list: readonly string[]): string =>
    Array.from({ length: Math.floor(next() * 4) }, () => pick(list)).join('');
  const label = (): unknown =>
    pick([text(TEXTS), text(PARTS), next(), true, null, undefined, 1n, {}, 'x'.repeat(300)]);
  for (let step = 0; step < 2000; step += 1) {
    const name = text(next() < 0.8 ? PARTS : [...PARTS, ...TEXTS]);
    const labels: Record<string, unknown> = {};
    for (let i = Math.floor(next() * 4); i > 0; i -= 1)
      Object.defineProperty(labels, text([...PARTS, ...TEXTS]), {
        value: label(),
        enumerable: true,
        configurable: true,
      });
    const call = pick(['increment', 'decrement', 'gauge', 'observe'] as const);
    registry[call](name, pick(VALUES), labels as never);
  }
}

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
    // A scrape has no sign for zero.
    series: series.map((one) =>
      'value' in one ? { ...one, value: one.value + 0 } : { ...one, sum: one.sum + 0 },
    ),
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
