import { tracingChannel } from 'node:diagnostics_channel';
import { createMonitoring, type Monitoring } from '@vibeonrails/infra-monitoring';
import { afterEach, beforeEach, expect, test } from 'vitest';

const METRIC = 'db_client_operation_duration_seconds';
let monitoring: Monitoring;
beforeEach(async () => {
  monitoring = createMonitoring({ env: {} });
  monitoring.instrument();
  await monitoring.ready();
});
afterEach(async () => {
  // Labels that have no value are left out by us: cleaned, each sample would be a slow one.
  expect(monitoring.registry.value('monitoring_cleaned', { reason: 'label_value' })).toBeUndefined();
  await monitoring.close();
});

const where = { database: 2, serverAddress: '10.0.0.7', serverPort: 6379 };
/** As ioredis says it. */
const command = <T>(name: string, fn: () => Promise<T>): Promise<T> =>
  tracingChannel<unknown, object>('ioredis:command').tracePromise(fn, {
    command: name,
    args: ['secret-key', '?'],
    ...where,
  });
const count = (operation: string, error?: string): number | undefined =>
  monitoring.registry.value(METRIC, {
    db_system_name: 'redis',
    db_operation_name: operation,
    error_type: error,
  });

test('a command below a span is a span, without its keys', async () => {
  expect(await monitoring.withSpan('work', () => command('get', async () => 'value'))).toBe('value');
  const [span, work] = monitoring.recentSpans();
  expect(span).toMatchObject({
    name: 'GET',
    kind: 'client',
    parentSpanId: work?.spanId,
    attributes: {
      'db.system.name': 'redis',
      'db.operation.name': 'GET',
      'db.namespace': '2',
      'server.address': '10.0.0.7',
      'server.port': 6379,
    },
  });
  expect(JSON.stringify(span)).not.toContain('secret');
  expect(count('GET')).toBe(1);
});

test('a command that nobody asked for is measured, and no trace', async () => {
  await command('ping', async () => 'PONG');
  expect(monitoring.recentSpans()).toEqual([]);
  expect(count('PING')).toBe(1);
});

test('a command that fails is an error, counted once', async () => {
  const failure = Object.assign(new Error('WRONGTYPE'), { name: 'ReplyError' });
  await expect(
    monitoring.withSpan('work', () => command('incr', () => Promise.reject(failure))),
  ).rejects.toBe(failure);
  expect(monitoring.recentSpans()[0]).toMatchObject({ status: 'error', error: { type: 'ReplyError' } });
  expect(count('INCR', 'ReplyError')).toBe(1);
});

test.each([
  'bzpopmin',
  'blpop',
  'brpoplpush',
  'blmove',
  'xread',
  'xreadgroup',
  'subscribe',
  'psubscribe',
  'wait',
])('%s, which waits, is not measured', async (name) => {
  await monitoring.withSpan('work', () => command(name, async () => null));
  expect(monitoring.recentSpans().map((span) => span.name)).toEqual(['work']);
  expect(count(name.toUpperCase())).toBeUndefined();
});

test('transactions and connections are measured too', async () => {
  const trace = (name: string, event: object): Promise<unknown> =>
    tracingChannel<unknown, object>(name).tracePromise(async () => 1, event);
  await monitoring.withSpan('work', () =>
    trace('ioredis:batch', { batchMode: 'MULTI', batchSize: 3, ...where }),
  );
  await trace('ioredis:connect', { ...where, connectionEpoch: 1 });
  expect(monitoring.recentSpans()[0]).toMatchObject({
    name: 'MULTI',
    attributes: { 'db.operation.batch.size': 3 },
  });
  expect([count('MULTI'), count('CONNECT')]).toEqual([1, 1]);
});

test('a source left out is not recorded', async () => {
  monitoring.instrument({ except: ['redis'] });
  await monitoring.ready();
  await command('get', async () => 1);
  expect(count('GET')).toBeUndefined();
});
