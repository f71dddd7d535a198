import { createMonitoring, createRegistry, type Registry } from '@vibeonrails/infra-monitoring';
import { beforeEach, expect, test } from 'vitest';
import { parseScrape } from './scrape-parser.ts';

let registry: Registry;
beforeEach(() => {
  registry = createRegistry();
});

const dropped = (reason: string): number | undefined => registry.value('monitoring_dropped', { reason });
const cleaned = (reason: string): number | undefined => registry.value('monitoring_cleaned', { reason });
const any = (value: unknown): never => value as never;
const trap = {
  get boom(): string {
    throw new Error('a getter threw');
  },
};

test('values that are no finite number are dropped and counted', () => {
  const values = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    '5',
    null,
    {},
    5n,
    Symbol('x'),
  ];
  for (const value of values) {
    registry.increment('c', any(value));
    registry.decrement('d', any(value));
    registry.gauge('g', any(value));
    registry.observe('h', any(value));
  }
  expect(dropped('not_finite')).toBe(values.length * 4);
  expect(registry.snapshot().map(({ name }) => name)).toEqual(['monitoring_dropped_total']);
});

test('a counter never goes down', () => {
  registry.increment('jobs', 5);
  registry.increment('jobs', -1);
  expect(registry.value('jobs')).toBe(5);
  expect(dropped('negative')).toBe(1);
});

test('a name that is no text, or empty, is dropped', () => {
  for (const name of ['', undefined, null, 5, {}, Symbol('x')]) registry.increment(any(name));
  expect(dropped('name')).toBe(6);
});

test('a name of odd characters is cleaned, the same each time', async () => {
  for (const name of ['http.requests', 'http requests', '9lives', 'über', 'a\nb', 'x'.repeat(1_000_000)])
    for (let round = 0; round < 2; round += 1) registry.gauge(name, 1);
  const names = parseScrape(await registry.render(), 'prometheus').map(({ name }) => name);
  expect(names).toEqual([
    'monitoring_cleaned_total',
    'http_requests',
    '_9lives',
    '_ber',
    'a_b',
    'x'.repeat(200),
  ]);
});

test.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])(
  'a metric, a label and an attribute called %s are like any other',
  async (name) => {
    const labels = JSON.parse(`{"${name}":"x"}`) as Record<string, string>;
    for (let round = 0; round < 2; round += 1) {
      registry.increment(name, 1, labels);
      registry.gauge(`${name}_g`, 1);
    }
    const clean = name === '__proto__' ? '_proto__' : name;
    const scraped = parseScrape(await registry.render(), 'prometheus').find(
      (one) => one.name === `${name}_total`,
    );
    expect(scraped?.samples).toMatchObject([{ value: 2, labels: new Map([[clean, 'x']]) }]);
    expect(({} as Record<string, unknown>).x).toBeUndefined();

    const monitoring = createMonitoring({ env: {} });
    const span = monitoring.startSpan(name, { attributes: labels });
    monitoring.setSpanAttributes(span.spanId, JSON.parse(`{"${name}":["x"]}`));
    monitoring.endSpan(span.spanId);
    expect(Object.getPrototypeOf(monitoring.recentSpans()[0]?.attributes)).toBe(Object.prototype);
    await monitoring.close();
  },
);

test('a label name no format accepts is cleaned and counted', () => {
  registry.increment('c', 1, { 'http.method': 'GET', '': 'x', '0': 'y' });
  expect(registry.value('c', { http_method: 'GET', _: 'x', _0: 'y' })).toBe(1);
  expect(cleaned('label_name')).toBe(3);
});

test('of two labels that clean to one name the same one is kept in any order', () => {
  registry.increment('c', 1, { 'a.b': '1', 'a-b': '2' });
  registry.increment('c', 1, { 'a-b': '2', 'a.b': '1' });
  expect(registry.value('c', { a_b: '2' })).toBe(2);
});

test('a histogram keeps le for itself', async () => {
  registry.observe('h', 1, { le: '5' });
  registry.gauge('g', 1, { le: '5' });
  const [, h, g] = parseScrape(await registry.render(), 'prometheus');
  expect(h?.samples.at(-1)?.labels).toEqual(new Map([['exported_le', '5']]));
  expect(g?.samples[0]?.labels).toEqual(new Map([['le', '5']]));
});

test('a label value of 1 MB is shortened to 256 characters', () => {
  registry.increment('c', 1, { body: 'x'.repeat(1_000_000) });
  registry.increment('c', 1, { body: `${'x'.repeat(256)}y` });
  expect(registry.value('c', { body: 'x'.repeat(256) })).toBe(2);
  expect(cleaned('label_value')).toBe(2);
});

test('half of a surrogate pair becomes the replacement character', async () => {
  registry.increment('c', 1, { a: 'x\uD800', b: '\uD83D\uDE00'.repeat(128).slice(1) });
  const text = await registry.render();
  expect(text).toBe(Buffer.from(text).toString());
  expect(text).toContain('a="x\uFFFD"');
});

test('labels that are no labels leave the sample without', () => {
  for (const labels of ['abc', 5, true, Symbol('x'), () => 1]) registry.increment('c', 1, any(labels));
  expect(registry.value('c')).toBe(5);
  expect(cleaned('label_value')).toBe(5);
});

test('label values that are no text, number or boolean are left out', () => {
  registry.increment('c', 1, any({ a: {}, b: [], c: Symbol('x'), d: () => 1, e: new Date(), ok: 'yes' }));
  expect(registry.value('c', { ok: 'yes' })).toBe(1);
  expect(cleaned('label_value')).toBe(5);
});

test('a thousand labels are cut to thirty', () => {
  registry.increment('c', 1, Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`l${i}`, 'x'])));
  expect(
    Object.keys(registry.snapshot().find(({ name }) => name === 'c_total')?.series[0]?.labels ?? {}),
  ).toHaveLength(30);
  expect(cleaned('label_name')).toBe(970);
});

test('labels whose getter throws drop the sample and never reach the caller', () => {
  registry.increment('c', 1, any(trap));
  registry.decrement('d', 1, any(trap));
  registry.gauge('g', 1, any(trap));
  registry.observe('h', 1, any(trap));
  registry.startTimer('t_ms', any(trap))(any(trap));
  expect(dropped('threw')).toBe(5);
  const name = {
    toString(): string {
      throw new Error('no');
    },
  };
  for (const call of ['increment', 'decrement', 'gauge', 'observe', 'startTimer'] as const)
    expect(() => registry[call](any(name), 1 as never)).not.toThrow();
  expect(registry.startTimer(any(name))).not.toThrow();
});

test('a sum too large for a number still renders', async () => {
  for (let i = 0; i < 3; i += 1) {
    registry.observe('h', 1e308);
    registry.observe('n', -1e308);
  }
  expect(await registry.render()).toContain('h_sum +Inf\n');
  expect(await registry.render()).toContain('n_sum -Inf\n');
});

test('tracing calls take anything without a throw', async () => {
  const monitoring = createMonitoring({ env: {} });
  const calls: (() => unknown)[] = [
    () => monitoring.startSpan(any(undefined)),
    () => monitoring.startSpan('x'.repeat(1_000_000), any({ attributes: trap, links: [null], parent: 5 })),
    () => monitoring.startSpan('x', any(null)),
    () => monitoring.setSpanAttributes(any(undefined), any(undefined)),
    () => monitoring.setSpanAttributes('unknown', { a: 1 }),
    () => monitoring.endSpan(any(null)),
    () => monitoring.endSpan('unknown', any(null)),
    () => monitoring.endSpan(monitoring.startSpan('x').spanId, any(null)),
    () =>
      monitoring.endSpan(
        monitoring.startSpan('x').spanId,
        any({
          get error() {
            throw new Error('no');
          },
        }),
      ),
    () => monitoring.endSpan(monitoring.startSpan('x').spanId, { error: trap, endTime: Number.NaN }),
    () => monitoring.setSpanAttributes(monitoring.startSpan('x').spanId, any(trap)),
  ];
  for (const call of calls) expect(call).not.toThrow();
  await monitoring.close();
});

test('attributes are shortened to what a span may hold', async () => {
  const monitoring = createMonitoring({ env: {} });
  const span = monitoring.startSpan('x', {
    attributes: any({
      long: 'x'.repeat(10_000),
      object: {},
      none: null,
      list: ['a', {}, 1],
      big: 5n,
      nan: Number.NaN,
    }),
  });
  for (let i = 0; i < 300; i += 1) monitoring.setSpanAttributes(span.spanId, { [`a${i}`]: i });
  monitoring.setSpanAttributes(span.spanId, { a0: 'replaced' });
  monitoring.endSpan(span.spanId);
  const { attributes = {} } = monitoring.recentSpans()[0] ?? {};
  expect(Object.keys(attributes)).toHaveLength(128);
  expect(attributes).toMatchObject({ list: ['a', 1], big: '5', a0: 'replaced' });
  expect(attributes.long).toHaveLength(4096);
  expect('object' in attributes || 'none' in attributes).toBe(false);
  await monitoring.close();
});
