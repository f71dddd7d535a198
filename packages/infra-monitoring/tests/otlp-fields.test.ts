import { createMonitoring, type Monitoring, otlp, type SpanOptions } from '@vibeonrails/infra-monitoring';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type OtlpReceiver, otlpReceiver } from './otlp-receiver.ts';

let collector: OtlpReceiver;
let monitoring: Monitoring;
beforeEach(async () => {
  collector = await otlpReceiver();
  monitoring = createMonitoring({
    env: {},
    sampler: 'always_on',
    exporters: [otlp({ endpoint: collector.url, signals: ['traces'] })],
  });
});
afterEach(async () => {
  await monitoring.close();
  await collector.close();
  expect(collector.problems).toEqual([]);
});

const record = (options?: SpanOptions) => {
  const span = monitoring.startSpan('x', options);
  monitoring.endSpan(span.spanId);
  return span;
};
const received = async () => {
  await monitoring.flush();
  return collector.spans();
};

const elsewhere = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
const SAMPLED = 0x1;
const KNOWN = 0x100;
const REMOTE = 0x200;

describe('the flags of a span say of its parent', () => {
  test('that it is of this process: there is none, or it is open here', async () => {
    const root = monitoring.startSpan('root');
    record({ parent: root, kind: 'consumer' });
    record({ parent: { traceId: root.traceId, spanId: root.spanId, sampled: true } });
    monitoring.endSpan(root.spanId);
    expect((await received()).map(({ flags }) => flags)).toEqual(Array(3).fill(SAMPLED | KNOWN));
  });
  test.each(['server', 'consumer'] as const)('that it is not, when a %s goes on from it', async (kind) => {
    record({ parent: elsewhere, kind });
    expect((await received())[0]?.flags).toBe(SAMPLED | KNOWN | REMOTE);
  });
  test.each(['internal', 'client', 'producer'] as const)(
    'nothing, when it is not open here and the span is of kind %s',
    async (kind) => {
      record({ parent: elsewhere, kind });
      record({ parent: record(), kind });
      const flags = (await received()).map((span) => span.flags);
      expect(flags).toEqual([SAMPLED, SAMPLED | KNOWN, SAMPLED]);
    },
  );
});

test('the flags of a link say where its span is from, where that can be told', async () => {
  const over = record();
  record({ kind: 'consumer', links: [over, elsewhere, { ...elsewhere, sampled: false }] });
  record({ links: [elsewhere] });
  const links = (await received()).flatMap((span) => span.links.map(({ flags }) => flags));
  expect(links).toEqual([SAMPLED | KNOWN, SAMPLED | KNOWN | REMOTE, KNOWN | REMOTE, SAMPLED]);
});

test.each([
  [128, 0],
  [131, 3],
])('of %i attributes, events and links, %i are left out and counted', async (given, dropped) => {
  const numbers = Array.from({ length: given }, (_, i) => i);
  const span = monitoring.startSpan('x', { links: numbers.map(() => elsewhere) });
  for (const i of numbers) {
    monitoring.setSpanAttributes(span.spanId, { [`a${i}`]: i });
    monitoring.addSpanEvent(span.spanId, `e${i}`);
  }
  monitoring.setSpanAttributes(span.spanId, { a0: 'again' });
  monitoring.endSpan(span.spanId);
  const [sent] = await received();
  expect(sent).toMatchObject({
    droppedAttributesCount: dropped,
    droppedEventsCount: dropped,
    droppedLinksCount: dropped,
  });
  expect([Object.keys(sent?.attributes ?? {}).length, sent?.events.length, sent?.links.length]).toEqual([
    128, 128, 128,
  ]);
  expect(sent?.attributes.a0).toBe('again');
});
