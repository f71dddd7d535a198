import {
  context,
  type DiagLogFunction,
  DiagLogLevel,
  diag,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { extract, inject, operation, runWithContext } from '@vibeonrails/infra-core';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { createMonitoring, type Monitoring } from '@vibeonrails/infra-monitoring';
import { bridgeOpenTelemetry } from '@vibeonrails/infra-monitoring/opentelemetry';
import { afterEach, beforeEach, expect, test } from 'vitest';

// The SDK itself, as an application that has one runs it.

let monitoring: Monitoring;
let stop: () => void;
let warnings: string[];
const ends: (() => unknown)[] = [];

beforeEach(() => {
  warnings = [];
  const note: DiagLogFunction = (message) => void warnings.push(message);
  const logger = { error: note, warn: note, info: note, debug: note, verbose: note };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  monitoring = createMonitoring({ env: {} });
});
afterEach(async () => {
  stop();
  for (const end of ends.splice(0)) await end();
  await monitoring.close();
  trace.disable();
  context.disable();
  propagation.disable();
  diag.disable();
});

/** Starts an SDK, and the bridge beside it; returns what the SDK exports. */
function startSdk(options: { sampler?: Sampler } = {}) {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    ...options,
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  ends.push(() => provider.shutdown());
  stop = bridgeOpenTelemetry(monitoring);
  const spans = () => exporter.getFinishedSpans();
  return {
    tracer: trace.getTracer('application'),
    spans,
    named: (name: string) => {
      const found = spans().find((span) => span.name === name);
      if (!found) throw new Error(`no span "${name}" among ${spans().map((span) => span.name)}`);
      return found;
    },
    parents: () =>
      Object.fromEntries(
        spans().map(({ name, parentSpanContext }) => [
          name,
          spans().find((span) => span.spanContext().spanId === parentSpanContext?.spanId)?.name,
        ]),
      ),
  };
}

test('spans of both are each other’s parents and children through promises, in one trace', async () => {
  const sdk = startSdk();
  await sdk.tracer.startActiveSpan('theirs', async (theirs) => {
    await monitoring.withSpan('ours', async () => {
      await Promise.resolve();
      await sdk.tracer.startActiveSpan('theirs within', async (within) => {
        await Promise.resolve();
        await monitoring.withSpan('ours within', async () => undefined);
        within.end();
      });
      sdk.tracer.startSpan('theirs after').end();
    });
    monitoring.withSpan('ours after', () => undefined);
    theirs.end();
  });
  expect(sdk.parents()).toEqual({
    theirs: undefined,
    ours: 'theirs',
    'theirs within': 'ours',
    'ours within': 'theirs within',
    'theirs after': 'ours',
    'ours after': 'theirs',
  });
  expect(new Set(sdk.spans().map((span) => span.spanContext().traceId)).size).toBe(1);
  // Ours are the same spans over here, by the same ids.
  for (const { name, spanId, parentSpanId } of monitoring.recentSpans()) {
    expect(sdk.named(name).spanContext().spanId).toBe(spanId);
    expect(sdk.named(name).parentSpanContext?.spanId).toBe(parentSpanId);
  }
});

test('work side by side keeps its own parents', async () => {
  const sdk = startSdk();
  await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      monitoring.withSpan(`ours ${name}`, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        await sdk.tracer.startActiveSpan(`theirs ${name}`, async (span) => {
          await new Promise((resolve) => setImmediate(resolve));
          monitoring.withSpan(`ours within ${name}`, () => undefined);
          span.end();
        });
      }),
    ),
  );
  for (const name of ['a', 'b', 'c'])
    expect(sdk.parents()).toMatchObject({
      [`ours ${name}`]: undefined,
      [`theirs ${name}`]: `ours ${name}`,
      [`ours within ${name}`]: `theirs ${name}`,
    });
});

test('their span in a context of its own is the parent there, and ours again after it', () => {
  const sdk = startSdk();
  monitoring.withSpan('ours', () => {
    const span = sdk.tracer.startSpan('theirs');
    context.with(trace.setSpan(context.active(), span), () => monitoring.withSpan('within', () => undefined));
    monitoring.withSpan('beside', () => undefined);
    span.end();
  });
  expect(sdk.parents()).toEqual({ ours: undefined, theirs: 'ours', within: 'theirs', beside: 'ours' });
});

test('an operation of a module is a span of both, and parent of what their libraries do in it', async () => {
  const sdk = startSdk();
  const end = monitoring.instrument();
  await monitoring.ready();
  await sdk.tracer.startActiveSpan('GET /users', async (request) => {
    await operation('cache.load').trace(
      async () => sdk.tracer.startActiveSpan('SELECT', async (query) => query.end()),
      { key: 'k', driver: 'memory' },
    );
    request.end();
  });
  end();
  expect(sdk.parents()).toEqual({
    'GET /users': undefined,
    'cache.load': 'GET /users',
    SELECT: 'cache.load',
  });
  expect(sdk.named('cache.load').attributes).toEqual({ 'cache.key': 'k', 'cache.driver': 'memory' });
});

test('all that was recorded of ours reaches the SDK, with the times it had', async () => {
  const clock = fakeClock(Date.UTC(2026, 0, 1));
  await monitoring.close();
  monitoring = createMonitoring({ env: {}, clock });
  const sdk = startSdk();
  const link = { traceId: 'e'.repeat(32), spanId: 'f'.repeat(16), sampled: true, state: 'vendor=7' };
  const span = monitoring.startSpan('first name', {
    kind: 'consumer',
    attributes: { text: 'a', list: ['b', 'c'], none: undefined },
    links: [link],
  });
  await clock.advance(250);
  monitoring.setSpanAttributes(span.spanId, { number: 1.5 });
  monitoring.addSpanEvent(span.spanId, 'half way', { left: 3 });
  await clock.advance(750);
  const error = Object.assign(new TypeError('no room'), { code: 'E_FULL' });
  monitoring.endSpan(span.spanId, { error, name: 'better name' });
  const theirs = sdk.named('better name');
  expect(theirs.kind).toBe(SpanKind.CONSUMER);
  expect(theirs.attributes).toEqual({ text: 'a', list: ['b', 'c'], number: 1.5 });
  expect(theirs.status).toEqual({ code: SpanStatusCode.ERROR, message: 'no room' });
  const seconds = Date.UTC(2026, 0, 1) / 1000;
  expect({ start: theirs.startTime, end: theirs.endTime, took: theirs.duration }).toEqual({
    start: [seconds, 0],
    end: [seconds + 1, 0],
    took: [1, 0],
  });
  expect(theirs.events.map(({ name, time, attributes }) => ({ name, time, attributes }))).toEqual([
    { name: 'half way', time: [seconds, 250_000_000], attributes: { left: 3 } },
    {
      name: 'exception',
      time: [seconds + 1, 0],
      attributes: expect.objectContaining({ 'exception.type': 'E_FULL', 'exception.message': 'no room' }),
    },
  ]);
  expect(theirs.links).toHaveLength(1);
  expect(theirs.links[0]?.context).toMatchObject({
    traceId: link.traceId,
    spanId: link.spanId,
    traceFlags: 1,
  });
  expect(theirs.links[0]?.context.traceState?.serialize()).toBe('vendor=7');
  expect(warnings).toEqual([]);
});

test('a span too short for the clock never ends before it began', () => {
  const sdk = startSdk();
  for (let i = 0; i < 2000; i += 1) monitoring.withSpan('short', () => undefined);
  expect(sdk.spans()).toHaveLength(2000);
  for (const { duration } of sdk.spans()) expect(duration[0]).toBe(0);
  expect(warnings).toEqual([]);
});

test('a span that nobody ended says so', async () => {
  const sdk = startSdk();
  monitoring.startSpan('forgotten');
  await monitoring.close();
  expect(sdk.named('forgotten').attributes).toEqual({ 'infra.abandoned': true });
});

test('what their API does to the active span reaches ours while it is open', () => {
  const sdk = startSdk();
  monitoring.withSpan('ours', (span) => {
    expect(trace.getActiveSpan()?.spanContext().spanId).toBe(span.spanId);
    trace.getActiveSpan()?.setAttribute('added', 'by their API');
  });
  expect(sdk.named('ours').attributes).toEqual({ added: 'by their API' });
  expect(trace.getActiveSpan()).toBeUndefined();
});

test('a trace that came with a request or a job goes on in both, its tracestate too', () => {
  const sdk = startSdk();
  const headers = {
    traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`,
    tracestate: 'vendor=1,other=2',
  };
  const sent = runWithContext(extract(headers), () =>
    monitoring.withSpan('job', () => {
      sdk.tracer.startSpan('query').end();
      return inject<Record<string, string>>({});
    }),
  );
  const [job, query] = [sdk.named('job'), sdk.named('query')];
  expect(job.spanContext().traceId).toBe('c'.repeat(32));
  expect(job.parentSpanContext?.spanId).toBe('d'.repeat(16));
  expect(query.parentSpanContext?.spanId).toBe(job.spanContext().spanId);
  for (const { spanContext } of [job, query].map((span) => ({ spanContext: span.spanContext() })))
    expect(spanContext.traceState?.serialize()).toBe('vendor=1,other=2');
  expect(sent).toMatchObject({
    traceparent: `00-${'c'.repeat(32)}-${job.spanContext().spanId}-01`,
    tracestate: 'vendor=1,other=2',
  });
});

test('what reads or changes the tracestate of such a trace finds what it expects', () => {
  const sdk = startSdk();
  const incoming = extract({
    traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`,
    tracestate: 'vendor=1,other=2',
  });
  const state = runWithContext(incoming, () => trace.getActiveSpan()?.spanContext().traceState);
  expect(state?.get('other')).toBe('2');
  expect(state?.get('none')).toBeUndefined();
  expect(state?.set('new', '3').serialize()).toBe('new=3,vendor=1,other=2');
  expect(state?.set('other', '4').serialize()).toBe('other=4,vendor=1');
  expect(state?.unset('vendor').serialize()).toBe('other=2');
  expect(state?.serialize()).toBe('vendor=1,other=2');
  expect(sdk.spans()).toEqual([]);
});

test('a new trace is a new one in both, whatever is current', () => {
  const sdk = startSdk();
  sdk.tracer.startActiveSpan('theirs', (theirs) => {
    monitoring.withSpan('root', () => sdk.tracer.startSpan('below').end(), { parent: null });
    monitoring.withSpan('ours', () => sdk.tracer.startSpan('their root', { root: true }).end());
    theirs.end();
  });
  expect(sdk.parents()).toMatchObject({ root: undefined, below: 'root', 'their root': undefined });
  expect(sdk.named('root').spanContext().traceId).not.toBe(sdk.named('theirs').spanContext().traceId);
});

test('a context of theirs that is captured in our span finds it again later', () => {
  const sdk = startSdk();
  const { captured, spanId } = monitoring.withSpan('ours', (span) => ({
    captured: context.active(),
    spanId: span.spanId,
  }));
  sdk.tracer.startSpan('late', {}, captured).end();
  expect(sdk.named('late').parentSpanContext?.spanId).toBe(spanId);
  expect(trace.getSpan(ROOT_CONTEXT)).toBeUndefined();
});

test('the SDK’s sampler decides for ours, and follows the parent across both', () => {
  const sdk = startSdk({ sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }) });
  const decisions = monitoring.withSpan('ours', (ours) => [
    ours.sampled,
    sdk.tracer.startActiveSpan('theirs', (theirs) => {
      theirs.end();
      return monitoring.withSpan('within', ({ sampled, traceId }) => [sampled, traceId === ours.traceId]);
    }),
  ]);
  expect(decisions).toEqual([false, [false, true]]);
  const incoming = { trace: { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), sampled: true } };
  runWithContext(incoming, () => monitoring.withSpan('asked for', () => undefined));
  expect(sdk.spans().map(({ name }) => name)).toEqual(['asked for']);
  expect(monitoring.recentSpans().map(({ name }) => name)).toEqual(['asked for']);
});

test('their sampler sees the name, kind and attributes a span of ours starts with', () => {
  const seen: unknown[] = [];
  const sampler: Sampler = {
    shouldSample: (_context, _traceId, name, kind, attributes) => {
      seen.push([name, kind, attributes]);
      return { decision: SamplingDecision.RECORD_AND_SAMPLED };
    },
    toString: () => 'seeing',
  };
  startSdk({ sampler });
  monitoring.withSpan('GET', () => undefined, { kind: 'server', attributes: { 'url.path': '/x' } });
  expect(seen).toEqual([['GET', SpanKind.SERVER, { 'url.path': '/x' }]]);
});

test('once the bridge has ended, each goes its own way; what is open is still ended over there', () => {
  const sdk = startSdk();
  const open = monitoring.startSpan('open');
  stop();
  monitoring.withSpan('ours alone', () => sdk.tracer.startSpan('theirs alone').end());
  monitoring.endSpan(open.spanId);
  expect(sdk.parents()).toEqual({ 'theirs alone': undefined, open: undefined });
  expect(monitoring.recentSpans().map(({ name }) => name)).toEqual(['ours alone', 'open']);
});

test('an SDK that has shut down disturbs nothing', async () => {
  startSdk();
  for (const end of ends.splice(0)) await end();
  expect(monitoring.withSpan('after', () => 7)).toBe(7);
  trace.disable();
  context.disable();
  expect(monitoring.withSpan('without', () => 8)).toBe(8);
  expect(monitoring.recentSpans().map(({ name }) => name)).toEqual(['after', 'without']);
});
