import { resetInfra } from '@vibeonrails/infra-core/testing';
import {
  endSpan,
  gauge,
  increment,
  monitoring,
  observe,
  registry,
  setSpanAttributes,
  startSpan,
} from '@vibeonrails/infra-monitoring';
import { afterEach, expect, test } from 'vitest';

afterEach(resetInfra);

test('the metrics sample of the specification records a counter, a gauge and a histogram', async () => {
  increment('http_requests', 1, { method: 'GET', path: '/api' });
  gauge('active_connections', 42);
  observe('response_time_ms', 150);

  const lines = (await registry.render()).split('\n');
  expect(lines).toContain('http_requests_total{method="GET",path="/api"} 1');
  expect(lines).toContain('active_connections 42');
  expect(lines).toContain('response_time_ms_bucket{le="100.0"} 0');
  expect(lines).toContain('response_time_ms_bucket{le="250.0"} 1');
});

test('the tracing sample of the specification records a span with its attributes', () => {
  const span = startSpan('handle-request');
  setSpanAttributes(span.spanId, { method: 'GET', url: '/api/users' });
  // ... do work ...
  endSpan(span.spanId);

  expect(monitoring.recentSpans()).toMatchObject([
    { name: 'handle-request', attributes: { method: 'GET', url: '/api/users' }, status: 'unset' },
  ]);
});
