import { currentContext, runWithContext, shutdown } from '@vibeonrails/infra-core';
import { type FakeClock, fakeClock, resetInfra } from '@vibeonrails/infra-core/testing';
import { createMonitoring, type FinishedSpan, type Monitoring } from '@vibeonrails/infra-monitoring';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let clock: FakeClock;
let monitoring: Monitoring;
beforeEach(() => {
  clock = fakeClock();
  monitoring = createMonitoring({ clock, env: {} });
});
afterEach(async () => {
  await monitoring.close();
  resetInfra();
});

const ended = (name: string): FinishedSpan | undefined =>
  monitoring.recentSpans().find((span) => span.name === name);
const dropped = (reason: string): number | undefined =>
  monitoring.registry.value('monitoring_dropped', { reason });

describe('startSpan', () => {
  test('makes ids that W3C Trace Context accepts, each once', () => {
    const spans = Array.from({ length: 2000 }, () => monitoring.startSpan('x'));
    for (const { traceId, spanId } of spans) {
      expect(traceId).toMatch(/^(?!0+$)[0-9a-f]{32}$/);
      expect(spanId).toMatch(/^(?!0+$)[0-9a-f]{16}$/);
    }
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(2000);
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(2000);
  });
  test('starts under the span of the current context, and does not become the current one', () => {
    const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true, state: 'vendor=1' };
    runWithContext({ trace }, () => {
      const span = monitoring.startSpan('x');
      expect(span).toMatchObject({ traceId: trace.traceId, parentSpanId: trace.spanId, state: 'vendor=1' });
      expect(currentContext().trace).toBe(trace);
    });
  });
  test('starts a new trace with parent: null', () => {
    monitoring.withSpan('outer', (outer) => {
      const span = monitoring.startSpan('x', { parent: null });
      expect(span.parentSpanId).toBeUndefined();
      expect(span.traceId).not.toBe(outer.traceId);
    });
  });
  test('starts under a span that is given', () => {
    const parent = monitoring.startSpan('parent');
    const child = monitoring.startSpan('child', { parent });
    expect([child.traceId, child.parentSpanId]).toEqual([parent.traceId, parent.spanId]);
  });
  test('keeps kind, attributes and links', () => {
    const other = monitoring.startSpan('other');
    const span = monitoring.startSpan('x', { kind: 'consumer', attributes: { a: 1 }, links: [other] });
    monitoring.endSpan(span.spanId);
    expect(ended('x')).toMatchObject({
      kind: 'consumer',
      attributes: { a: 1 },
      links: [{ traceId: other.traceId, spanId: other.spanId, sampled: true }],
    });
  });
  test('keeps what a link says of itself', () => {
    const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: false };
    monitoring.withSpan('x', () => 0, { links: [{ ...trace, attributes: { position: 3, none: null } }] });
    expect(ended('x')?.links).toEqual([{ ...trace, attributes: { position: 3 } }]);
  });
});

describe('addSpanEvent', () => {
  test('notes what happened and when, in order, and reaches the exporters with the span', async () => {
    const span = monitoring.startSpan('x');
    await clock.advance(5);
    monitoring.addSpanEvent(span.spanId, 'cache miss', { key: 'k', size: 3, nothing: undefined });
    await clock.advance(5);
    monitoring.addSpanEvent(span.spanId, 'retried');
    monitoring.endSpan(span.spanId);
    monitoring.addSpanEvent(span.spanId, 'too late');
    const { startTime = 0 } = ended('x') ?? {};
    expect(ended('x')?.events).toEqual([
      { name: 'cache miss', time: startTime + 5, attributes: { key: 'k', size: 3 } },
      { name: 'retried', time: startTime + 10, attributes: {} },
    ]);
  });
  test('keeps 128 events of a span, and takes attributes that throw when read', () => {
    const span = monitoring.startSpan('x');
    const throwing = {
      fine: 1,
      get bad(): string {
        throw new Error('no');
      },
    };
    monitoring.addSpanEvent(span.spanId, '', throwing);
    for (let i = 0; i < 200; i += 1) monitoring.addSpanEvent(span.spanId, `e${i}`);
    monitoring.endSpan(span.spanId);
    expect(ended('x')?.events).toHaveLength(128);
    expect(ended('x')?.events[0]).toMatchObject({ name: 'unnamed', attributes: { fine: 1 } });
  });
});

describe('endSpan', () => {
  test('records when it started and how long it took', async () => {
    const startTime = clock.now();
    const span = monitoring.startSpan('x');
    await clock.advance(250);
    monitoring.endSpan(span.spanId);
    expect(ended('x')).toMatchObject({ startTime, duration: 250, status: 'unset' });
  });
  test('takes an end that was earlier', async () => {
    const span = monitoring.startSpan('x');
    await clock.advance(250);
    monitoring.endSpan(span.spanId, { endTime: clock.now() - 50 });
    expect(ended('x')?.duration).toBe(200);
  });
  test('takes a status and an error', () => {
    monitoring.endSpan(monitoring.startSpan('fine').spanId, { status: 'ok' });
    monitoring.endSpan(monitoring.startSpan('broken').spanId, { error: new TypeError('no') });
    expect(ended('fine')?.status).toBe('ok');
    expect(ended('broken')).toMatchObject({ status: 'error', error: { type: 'TypeError', message: 'no' } });
    expect(ended('broken')?.error?.stack).toContain('tracing.test.ts');
  });
  test('takes a name that says more than the first', () => {
    monitoring.endSpan(monitoring.startSpan('GET').spanId, { name: 'GET /users/:id' });
    expect(monitoring.recentSpans()).toMatchObject([{ name: 'GET /users/:id', status: 'unset' }]);
  });
  test('ends the span also when an option throws as it is read', () => {
    const options = {
      get error(): unknown {
        throw new Error('no');
      },
    };
    monitoring.endSpan(monitoring.startSpan('x').spanId, options);
    expect(ended('x')).toMatchObject({ status: 'unset' });
  });
  test('counts the first time alone', async () => {
    const span = monitoring.startSpan('x');
    monitoring.endSpan(span.spanId);
    await clock.advance(10);
    monitoring.endSpan(span.spanId, { status: 'error' });
    monitoring.setSpanAttributes(span.spanId, { late: true });
    expect(monitoring.recentSpans()).toMatchObject([{ duration: 0, status: 'unset', attributes: {} }]);
  });
});

describe('withSpan', () => {
  test('makes its span the current one for what it calls and awaits', async () => {
    await monitoring.withSpan('outer', async (outer) => {
      expect(monitoring.activeSpan()).toMatchObject({ spanId: outer.spanId, name: 'outer' });
      await Promise.all(
        ['a', 'b'].map((name) =>
          monitoring.withSpan(name, async (inner) => {
            await Promise.resolve();
            expect(inner.parentSpanId).toBe(outer.spanId);
            expect(currentContext().trace?.spanId).toBe(inner.spanId);
          }),
        ),
      );
      expect(currentContext().trace?.spanId).toBe(outer.spanId);
    });
    expect(currentContext().trace).toBeUndefined();
    expect(monitoring.activeSpan()).toBeUndefined();
  });
  test('returns what a plain function returns and ends at once', () => {
    expect(monitoring.withSpan('x', () => 7)).toBe(7);
    expect(ended('x')?.status).toBe('unset');
  });
  test('ends when the promise settles', async () => {
    const work = monitoring.withSpan(
      'x',
      () => new Promise<number>((resolve) => clock.after(40, () => resolve(7))),
    );
    expect(ended('x')).toBeUndefined();
    await clock.advance(40);
    expect(await work).toBe(7);
    expect(ended('x')?.duration).toBe(40);
  });
  test('ends with the error that was thrown, and hands it on', async () => {
    const failure = new Error('no');
    const fail = (): never => {
      throw failure;
    };
    expect(() => monitoring.withSpan('thrown', fail)).toThrow(failure);
    await expect(monitoring.withSpan('rejected', async () => fail())).rejects.toBe(failure);
    for (const name of ['thrown', 'rejected'])
      expect(ended(name)).toMatchObject({ status: 'error', error: { type: 'Error', message: 'no' } });
  });
  test('is an error too when undefined is thrown', () => {
    expect(() =>
      monitoring.withSpan('x', () => {
        throw undefined;
      }),
    ).toThrow();
    expect(ended('x')?.status).toBe('error');
  });
  test('keeps the request id and baggage of the context', () => {
    runWithContext({ requestId: 'r1', baggage: { tenant: 't' } }, () =>
      monitoring.withSpan('x', (span) =>
        expect(currentContext()).toMatchObject({
          requestId: 'r1',
          baggage: { tenant: 't' },
          trace: { spanId: span.spanId },
        }),
      ),
    );
  });
});

describe('open spans', () => {
  test('are ended as abandoned after ten minutes, and counted', async () => {
    const old = monitoring.startSpan('old');
    await clock.advance('5m');
    monitoring.startSpan('young');
    await clock.advance('4m');
    expect(monitoring.recentSpans()).toEqual([]);
    await clock.advance('1m');
    expect(monitoring.recentSpans()).toMatchObject([{ name: 'old', abandoned: true, duration: 600_000 }]);
    await clock.advance('5m');
    expect(ended('young')).toMatchObject({ abandoned: true });
    expect(dropped('span_abandoned')).toBe(2);
    monitoring.endSpan(old.spanId);
    expect(monitoring.recentSpans()).toHaveLength(2);
  });
  test('leave no timer behind once all are over', async () => {
    monitoring.endSpan(monitoring.startSpan('x').spanId);
    await clock.advance('10m');
    expect(clock.pending()).toBe(0);
  });
  test('are at most 10,000; the oldest goes first and is counted', () => {
    const first = monitoring.startSpan('first');
    for (let i = 0; i < 9999; i += 1) monitoring.startSpan('x');
    expect(monitoring.recentSpans()).toEqual([]);
    monitoring.startSpan('one too many');
    expect(monitoring.recentSpans()).toMatchObject([{ spanId: first.spanId, abandoned: true }]);
    expect(dropped('span_evicted')).toBe(1);
  });
  test('are ended at shutdown, in its last phase', async () => {
    const spans: FinishedSpan[] = [];
    const steps: string[] = [];
    monitoring.addExporter({
      name: 'test',
      ready: async () => undefined,
      exportSpan: (span) => void spans.push(span),
      flush: async () => void steps.push('flush'),
      close: async () => void steps.push('close'),
    });
    monitoring.startSpan('open');
    const report = await shutdown('test');
    expect(report.hooks).toMatchObject([{ name: 'monitoring', phase: 'flush', status: 'done' }]);
    expect(spans).toMatchObject([{ name: 'open', abandoned: true }]);
    expect(steps).toEqual(['flush', 'close']);
  });
  test('are not recorded any more after close, which leaves no timer behind', async () => {
    monitoring.startSpan('open');
    expect(clock.pending()).toBe(1);
    await monitoring.close();
    const span = monitoring.startSpan('late');
    monitoring.endSpan(span.spanId);
    expect(span.sampled).toBe(false);
    expect(monitoring.recentSpans()).toEqual([]);
    expect(clock.pending()).toBe(0);
  });
});

describe('finished spans', () => {
  test('are kept up to a number, the newest of them', () => {
    const few = createMonitoring({ keepSpans: 3, clock, env: {} });
    for (const name of 'abcdefgh') few.withSpan(name, () => 0);
    expect(few.recentSpans().map(({ name }) => name)).toEqual(['f', 'g', 'h']);
  });
  test('are 1,000 unless told otherwise', () => {
    for (let i = 0; i < 1100; i += 1) monitoring.withSpan(`s${i}`, () => 0);
    expect(monitoring.recentSpans()).toHaveLength(1000);
    expect(monitoring.recentSpans()[0]?.name).toBe('s100');
  });
  test('of one trace make a tree, by the time they started', async () => {
    let traceId = '';
    await monitoring.withSpan('request', async (span) => {
      traceId = span.traceId;
      await clock.advance(1);
      const slow = monitoring.startSpan('slow');
      await clock.advance(1);
      monitoring.withSpan('quick', () => monitoring.withSpan('inner', () => 0));
      monitoring.endSpan(slow.spanId);
    });
    monitoring.withSpan('another trace', () => 0);
    expect(monitoring.traceTree(traceId)).toMatchObject([
      {
        name: 'request',
        children: [
          { name: 'slow', children: [] },
          { name: 'quick', children: [{ name: 'inner', children: [] }] },
        ],
      },
    ]);
    expect(monitoring.traceTree(traceId)).toHaveLength(1);
    expect(monitoring.traceTree('none')).toEqual([]);
  });
  test('whose parent is elsewhere are roots of their tree', () => {
    const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
    monitoring.withSpan('x', () => 0, { parent: trace });
    expect(monitoring.traceTree(trace.traceId)).toMatchObject([{ name: 'x', parentSpanId: trace.spanId }]);
  });
});

test('on the machine clock a span has the time of day and a duration in fractions of a millisecond', () => {
  const real = createMonitoring({ env: {} });
  const before = Date.now();
  real.withSpan('x', () => {
    let sum = 0;
    for (let i = 0; i < 1e5; i += 1) sum += i;
    return sum;
  });
  const [span] = real.recentSpans();
  expect(span?.startTime).toBeGreaterThan(before - 50);
  expect(span?.startTime).toBeLessThan(Date.now() + 50);
  expect(span?.duration).toBeGreaterThan(0);
  expect(Number.isInteger(span?.duration)).toBe(false);
});

describe('with tracing off', () => {
  test('every call does nothing, and nothing follows the work through its promises', async () => {
    const off = createMonitoring({ tracing: false, env: {} });
    const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
    await runWithContext({ trace }, async () => {
      const before = currentContext();
      await off.withSpan('x', async (span) => {
        expect(currentContext()).toBe(before);
        off.setSpanAttributes(span.spanId, { a: 1 });
        off.addSpanEvent(span.spanId, 'e');
        expect(off.activeSpan()).toBeUndefined();
      });
    });
    const span = off.startSpan('y');
    off.endSpan(span.spanId);
    expect(span).toMatchObject({ traceId: '0'.repeat(32), spanId: '0'.repeat(16), sampled: false });
    expect(off.recentSpans()).toEqual([]);
    await expect(off.withSpan('z', async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await off.close();
  });
  test('metrics are recorded all the same', () => {
    const off = createMonitoring({ tracing: false, env: {} });
    off.increment('orders');
    expect(off.registry.value('orders')).toBe(1);
  });
});

test('limits that are none are refused', () => {
  for (const options of [{ maxOpenSpans: 0 }, { keepSpans: 0.5 }])
    expect(() => createMonitoring({ ...options, env: {} })).toThrow(
      expect.objectContaining({ code: 'E_MONITORING_OPTION' }),
    );
});
