import { fakeClock } from '@vibeonrails/infra-core/testing';
import { consoleExporter, createMonitoring } from '@vibeonrails/infra-monitoring';
import { formatTrace, monitoringExporterSuite } from '@vibeonrails/infra-monitoring/testing';
import { describe, expect, it, test } from 'vitest';

const printing = async () => {
  const clock = fakeClock();
  const printed: string[] = [];
  const exporter = consoleExporter({ write: (text) => void printed.push(text), color: false });
  const monitoring = createMonitoring({ env: {}, clock, exporters: [exporter] });
  await monitoring.ready();
  return { clock, printed, monitoring };
};

{
  const lines: string[] = [];
  monitoringExporterSuite({ describe, it }, 'console', () => {
    lines.length = 0;
    return {
      exporter: consoleExporter({ write: (text) => void lines.push(text), color: false }),
      receivedSpans: async () =>
        lines.flatMap((text) =>
          [...text.matchAll(/\b(one|two|three|full) {2}/g)].map(([, name = '']) => name),
        ),
    };
  });
}

test('a trace is printed as a tree once nothing more comes of it', async () => {
  const { clock, printed, monitoring } = await printing();
  const { traceId } = await monitoring.withSpan('POST /sign-up', async (span) => {
    monitoring.setSpanAttributes(span.spanId, { 'http.response.status_code': 201, 'url.path': '/sign-up' });
    await clock.advance(2);
    await monitoring.withSpan('cache.get', () => clock.advance(0), { attributes: { 'cache.key': 'user:7' } });
    const job = monitoring.startSpan('queue.process send-email');
    await clock.advance(1200);
    const inner = monitoring.startSpan('email.send welcome', { parent: job });
    monitoring.endSpan(inner.spanId, {
      error: Object.assign(new Error('no answer\n\u001b[31m'), { code: 'E_EMAIL' }),
    });
    monitoring.endSpan(job.spanId);
    return span;
  });
  await clock.advance(200);
  expect(printed).toEqual([]);
  await clock.advance(200);
  expect(printed).toEqual([
    [
      `trace ${traceId}`,
      'POST /sign-up  1.20 s  201',
      '├─ cache.get  0.00 ms  user:7',
      '└─ queue.process send-email  1.20 s',
      '   └─ email.send welcome  0.00 ms  ✗ E_EMAIL: no answer [31m',
      '',
      '',
    ].join('\n'),
  ]);
  await monitoring.close();
});

test('two traces at once are printed one by one', async () => {
  const { clock, printed, monitoring } = await printing();
  const [a, b] = [monitoring.startSpan('a'), monitoring.startSpan('b')];
  for (const [name, parent] of [
    ['a1', a],
    ['b1', b],
    ['a2', a],
  ] as const)
    monitoring.endSpan(monitoring.startSpan(name, { parent }).spanId);
  monitoring.endSpan(a.spanId);
  monitoring.endSpan(b.spanId);
  await clock.advance('1s');
  expect(printed.map((text) => text.split('\n').slice(1, 4))).toEqual([
    ['a  0.00 ms', '├─ a1  0.00 ms', '└─ a2  0.00 ms'],
    ['b  0.00 ms', '└─ b1  0.00 ms', ''],
  ]);
  await monitoring.close();
});

test('what waits is bounded, and close() prints the rest', async () => {
  const { printed, monitoring } = await printing();
  for (let i = 0; i < 150; i += 1) monitoring.withSpan(`t${i}`, () => 0);
  expect(printed).toHaveLength(50);
  const root = monitoring.startSpan('large');
  for (let i = 0; i < 1000; i += 1) monitoring.endSpan(monitoring.startSpan('x', { parent: root }).spanId);
  expect(printed.at(-1)).toContain('… and 800 more');
  await monitoring.close();
  expect(printed.join('')).toContain('t149');
});

test('a trace as text, in colours where they are wanted', async () => {
  const monitoring = createMonitoring({ env: {}, clock: fakeClock() });
  const { traceId } = monitoring.withSpan('outer', (span) => {
    monitoring.withSpan('inner', () => 0);
    return span;
  });
  expect(await monitoring.formatTrace(traceId)).toBe('outer  0.00 ms\n└─ inner  0.00 ms');
  expect(formatTrace(monitoring.traceTree(traceId), { color: true })).toContain('\u001b[2m');
  expect(await monitoring.formatTrace('unknown')).toBe('');
});
