import { type Carrier, currentContext, inject, runWithContext } from '@vibeonrails/infra-core';
import { createMonitoring, type MonitoringOptions, type Span } from '@vibeonrails/infra-monitoring';
import { describe, expect, test } from 'vitest';
import { ErrorTraces } from '../src/tracing/live-spans.ts';

const parent = (sampled: boolean) => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled });
const startWith = (options: MonitoringOptions, under?: boolean): Span =>
  createMonitoring({ env: {}, ...options }).startSpan(
    'x',
    under === undefined ? {} : { parent: parent(under) },
  );

test.each([
  // sampler, root, under a sampled parent, under one that is not
  ['always_on', true, true, true],
  ['always_off', false, false, false],
  ['parentbased_always_on', true, true, false],
  ['parentbased_always_off', false, true, false],
] as const)(
  '%s samples a root: %s, under a sampled parent: %s, under another: %s',
  (sampler, root, under, other) => {
    for (const options of [{ sampler }, { env: { OTEL_TRACES_SAMPLER: sampler } }]) {
      expect(startWith(options).sampled).toBe(root);
      expect(startWith(options, true).sampled).toBe(under);
      expect(startWith(options, false).sampled).toBe(other);
    }
  },
);

test('every trace is recorded where nothing says otherwise, but those the caller left out', () => {
  expect([startWith({}).sampled, startWith({}, false).sampled]).toEqual([true, false]);
});

test('a ratio samples about that share of the traces', () => {
  const monitoring = createMonitoring({ sampler: 0.25, env: {} });
  const sampled = Array.from({ length: 8000 }, () => monitoring.startSpan('x')).filter(
    (span) => span.sampled,
  );
  expect(sampled.length).toBeGreaterThan(1700);
  expect(sampled.length).toBeLessThan(2300);
});

test('a ratio decides by the trace id, the same in every process', () => {
  const at = (traceId: string, ratio: string): boolean =>
    createMonitoring({
      env: { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: ratio },
    }).startSpan('x', {
      parent: { traceId, spanId: 'b'.repeat(16), sampled: false },
    }).sampled;
  expect(at(`${'0'.repeat(31)}1`, '0.5')).toBe(false);
  expect(at('f'.repeat(32), '0.5')).toBe(true);
  expect(at(`${'0'.repeat(31)}1`, '1')).toBe(true);
  expect(at('f'.repeat(32), '0')).toBe(false);
});

test('a ratio follows the parent where there is one', () => {
  const env = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' };
  expect([startWith({ env }).sampled, startWith({ env }, true).sampled]).toEqual([false, true]);
  expect([startWith({ sampler: 0 }).sampled, startWith({ sampler: 0 }, true).sampled]).toEqual([false, true]);
});

test('a trace that is not sampled is passed on as such, and nothing of it is recorded', () => {
  const monitoring = createMonitoring({ sampler: 'always_off', env: {} });
  monitoring.withSpan('x', (span) => {
    expect(currentContext().trace).toEqual({ traceId: span.traceId, spanId: span.spanId, sampled: false });
    expect(inject({})).toEqual({ traceparent: `00-${span.traceId}-${span.spanId}-00` });
    expect(monitoring.activeSpan()).toBeUndefined();
    monitoring.setSpanAttributes(span.spanId, { a: 1 });
  });
  expect(monitoring.recentSpans()).toEqual([]);
});

test('the decision of the root holds for the whole trace', () => {
  const monitoring = createMonitoring({ sampler: 0.5, env: {} });
  for (let i = 0; i < 50; i += 1)
    monitoring.withSpan('root', (root) => expect(monitoring.startSpan('child').sampled).toBe(root.sampled));
});

describe('keepErrors', () => {
  const keeping = (options: MonitoringOptions = {}) =>
    createMonitoring({ sampler: 'always_off', keepErrors: true, env: {}, ...options });

  test('keeps all of a trace that was left out when a span in it fails, before and after', async () => {
    const monitoring = keeping();
    await monitoring.withSpan('root', async (root) => {
      expect(root.sampled).toBe(false);
      monitoring.withSpan('before', () => 0);
      expect(monitoring.recentSpans()).toEqual([]);
      expect(() =>
        monitoring.withSpan('failing', () => {
          throw new Error('no');
        }),
      ).toThrow('no');
      monitoring.withSpan('after', () => 0);
    });
    expect(monitoring.recentSpans().map(({ name }) => name)).toEqual(['before', 'failing', 'after', 'root']);
    const [tree] = monitoring.traceTree(monitoring.recentSpans()[0]?.traceId ?? '');
    expect(tree).toMatchObject({ name: 'root', children: [{}, {}, {}] });
  });
  test('keeps nothing of a trace in which all went well, and others decide as before', () => {
    const monitoring = keeping();
    monitoring.withSpan('root', () => monitoring.withSpan('child', () => inject({})));
    expect(monitoring.recentSpans()).toEqual([]);
    expect(monitoring.withSpan('root', () => inject({} as Carrier)).traceparent).toMatch(/-00$/);
  });
  test('works below a caller in another process who left the trace out', () => {
    const monitoring = keeping({ sampler: 'parentbased_always_on' });
    monitoring.endSpan(monitoring.startSpan('x', { parent: parent(false) }).spanId, {
      error: new Error('no'),
    });
    expect(monitoring.recentSpans()).toMatchObject([{ name: 'x', sampled: false, status: 'error' }]);
  });
  test('holds as many spans as may be open; the trace that has waited longest goes first', () => {
    const monitoring = keeping({ maxOpenSpans: 5 });
    const first = monitoring.startSpan('first');
    for (let i = 0; i < 4; i += 1) monitoring.endSpan(monitoring.startSpan('held', { parent: first }).spanId);
    const second = monitoring.startSpan('second');
    for (let i = 0; i < 3; i += 1) monitoring.endSpan(monitoring.startSpan('new', { parent: second }).spanId);
    monitoring.endSpan(first.spanId, { error: new Error('no') });
    monitoring.endSpan(second.spanId, { error: new Error('no') });
    expect(monitoring.recentSpans().map(({ name }) => name)).toEqual([
      'first',
      'new',
      'new',
      'new',
      'second',
    ]);
  });
  test('leaves nothing behind', () => {
    const passed: unknown[] = [];
    const traces = new ErrorTraces(100, (span) => passed.push(span));
    const monitoring = createMonitoring({ env: {} });
    for (let i = 0; i < 50; i += 1) monitoring.withSpan('x', () => 0);
    for (const span of monitoring.recentSpans()) {
      traces.started(span.traceId);
      traces.ended(span);
    }
    expect([traces.size, traces.traces, passed]).toEqual([0, 0, []]);
  });
});

test('the tracestate goes on to the children', () => {
  const monitoring = createMonitoring({ env: {} });
  runWithContext({ trace: { ...parent(true), state: 'vendor=1' } }, () =>
    monitoring.withSpan('x', () => expect(inject({})).toMatchObject({ tracestate: 'vendor=1' })),
  );
});

test.each([
  [{ OTEL_TRACES_SAMPLER: 'sometimes' }, 'OTEL_TRACES_SAMPLER'],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '7' }, 'OTEL_TRACES_SAMPLER_ARG'],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: 'half' }, 'OTEL_TRACES_SAMPLER_ARG'],
])('with %o recording goes on and ready() says what is wrong', async (env, variable) => {
  const monitoring = createMonitoring({ env });
  expect(monitoring.startSpan('x').sampled).toBe(true);
  await expect(monitoring.ready()).rejects.toMatchObject({ code: 'E_CONFIG', problems: [{ variable }] });
});

test('an option that is no sampler is refused', () => {
  for (const sampler of [7, -0.1, Number.NaN, 'sometimes'])
    expect(() => createMonitoring({ sampler: sampler as 1, env: {} })).toThrow(
      expect.objectContaining({ code: 'E_MONITORING_OPTION' }),
    );
});
