import {
  type Carrier,
  currentContext,
  extract,
  type InfraContext,
  inject,
  operation,
  runWithContext,
  subscribeOperation,
} from '@vibeonrails/infra-core';
import { createMonitoring, type Monitoring, type SpanNode } from '@vibeonrails/infra-monitoring';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OPERATIONS } from '../src/instrument/operations.ts';

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

const cacheGet = operation('cache.get');
const enqueue = operation('queue.enqueue');
const process = operation('queue.process');
const render = operation('email.render');
const send = operation('email.send');
const job = { job: 'send-email', queue: 'mail', driver: 'memory' };
const mail = { template: 'welcome', transport: 'outbox', recipients: 1 };

test('an operation makes a span and a duration', async () => {
  expect(await cacheGet.trace(async () => 'value', { key: 'user:7', driver: 'memory' })).toBe('value');
  expect(monitoring.recentSpans()).toMatchObject([
    {
      name: 'cache.get',
      kind: 'client',
      status: 'unset',
      attributes: { 'cache.key': 'user:7', 'cache.driver': 'memory' },
    },
  ]);
  expect(monitoring.registry.snapshot()).toMatchObject([
    {
      name: 'cache_operation_duration_seconds',
      type: 'histogram',
      series: [{ count: 1, labels: { operation: 'get', driver: 'memory', result: 'hit', outcome: 'ok' } }],
    },
  ]);
});

test('an operation that fails is an error, and its caller gets what was thrown', async () => {
  const failure = new TypeError('no');
  await expect(send.trace(() => Promise.reject(failure), mail)).rejects.toBe(failure);
  expect(monitoring.recentSpans()).toMatchObject([
    { name: 'email.send welcome', status: 'error', error: { type: 'TypeError', message: 'no' } },
  ]);
  const labels = { operation: 'send', template: 'welcome', transport: 'outbox' };
  const count = (outcome: string): number | undefined =>
    monitoring.registry.value('email_operation_duration_seconds', { ...labels, outcome });
  expect([count('error'), count('ok')]).toEqual([1, undefined]);
});

test('a synchronous operation is recorded as well', () => {
  const publish = operation('realtime.publish');
  expect(publish.traceSync(() => 3, { channel: 'room:1', bytes: 10 })).toBe(3);
  expect(() =>
    publish.traceSync(
      () => {
        throw new Error('no');
      },
      { channel: 'room:2', bytes: 10 },
    ),
  ).toThrow('no');
  expect(monitoring.recentSpans().map(({ name, status }) => [name, status])).toEqual([
    ['realtime.publish', 'unset'],
    ['realtime.publish', 'error'],
  ]);
});

test.each([
  ['hit', 'value'],
  ['hit', null],
  ['hit', [undefined, 'value']],
  ['hit', []],
  ['miss', undefined],
  ['miss', [undefined, undefined]],
])('a lookup is a %s when it finds %o', async (result, found) => {
  await cacheGet.trace(async () => found, { key: 'k', driver: 'memory' });
  const labels = { operation: 'get', driver: 'memory', outcome: 'ok', result };
  expect(monitoring.registry.value('cache_operation_duration_seconds', labels)).toBe(1);
});

test('keys and channels never become labels', async () => {
  for (const name of Object.keys(OPERATIONS))
    await operation(name).trace(async () => 0, {
      key: 'secret-key',
      prefix: 'secret-key',
      channel: 'secret-key',
      id: 'secret-key',
      driver: 'd',
      job: 'j',
      queue: 'q',
      template: 't',
      transport: 'outbox',
      name: 'n',
    });
  expect(monitoring.recentSpans()).toHaveLength(Object.keys(OPERATIONS).length);
  expect(await monitoring.registry.render()).not.toContain('secret');
});

/** A queue and a mailer as modules write them: context goes out with the job, and comes back with it. */
const jobs: Carrier[] = [];
const add = (): Promise<void> => enqueue.trace(async () => void jobs.push(inject({})), { ...job });
const work = (carrier: Carrier): Promise<void> =>
  runWithContext(extract(carrier), () =>
    process.trace(
      async () => {
        await Promise.resolve();
        await send.trace(() => render.trace(async () => undefined, mail), mail);
      },
      { ...job, id: '1', attempt: 1 },
    ),
  );

const names = (nodes: readonly SpanNode[]): unknown =>
  nodes.map(({ name, children }) => (children.length > 0 ? { [name]: names(children) } : name));

test('request, enqueue, job and e-mail are parent and child', async () => {
  jobs.length = 0;
  let requestId: string | undefined;
  let seen: InfraContext = {};
  const handler = monitoring.traceHandler(
    async () => {
      await add();
      ({ requestId } = currentContext());
      return new Response('ok');
    },
    { route: '/sign-up' },
  );
  await handler(new Request('http://localhost/sign-up', { method: 'POST' }));
  const carrier = jobs[0] ?? {};
  await work(carrier);
  runWithContext(extract(carrier), () => {
    seen = currentContext();
  });

  const traceId = monitoring.recentSpans()[0]?.traceId ?? '';
  expect(names(monitoring.traceTree(traceId))).toEqual([
    {
      'POST /sign-up': [
        {
          'queue.enqueue send-email': [
            { 'queue.process send-email': [{ 'email.send welcome': ['email.render welcome'] }] },
          ],
        },
      ],
    },
  ]);
  expect(seen.requestId).toBe(requestId);
});

test('operations side by side do not become each other’s parents', async () => {
  await monitoring.withSpan('outer', () =>
    Promise.all([add(), add(), cacheGet.trace(async () => 1, { key: 'k', driver: 'm' })]),
  );
  const outer = monitoring.recentSpans().find(({ name }) => name === 'outer');
  const others = monitoring.recentSpans().filter(({ name }) => name !== 'outer');
  expect(others.map(({ parentSpanId }) => parentSpanId)).toEqual(Array(3).fill(outer?.spanId));
});

test('the context of a caller is back when its operation is over', async () => {
  await runWithContext({ requestId: 'r1' }, async () => {
    await add();
    expect(currentContext()).toEqual({ requestId: 'r1' });
  });
});

test('stop() ends it, and twice does no harm', async () => {
  const stop = monitoring.instrument();
  await monitoring.ready();
  stop();
  stop();
  await add();
  expect(monitoring.recentSpans()).toEqual([]);
  expect(enqueue.hasSubscribers).toBe(false);
});

test('what is stopped before its code has loaded never starts', async () => {
  const other = createMonitoring({ env: {} });
  other.instrument()();
  await other.ready();
  await add();
  expect(other.recentSpans()).toEqual([]);
  other.instrument();
  other.collectProcessMetrics();
  await other.close();
  await other.ready();
  expect(enqueue.hasSubscribers).toBe(false);
  expect(other.registry.snapshot()).toEqual([]);
});

test('a later instrumentation takes over; stopping the earlier one does not touch it', async () => {
  const stop = monitoring.instrument();
  const other = createMonitoring({ env: {} });
  other.instrument();
  await Promise.all([monitoring.ready(), other.ready()]);
  stop();
  await add();
  expect(monitoring.recentSpans()).toEqual([]);
  expect(other.recentSpans()).toHaveLength(1);
  await other.close();
  expect(enqueue.hasSubscribers).toBe(false);
});

test('an operation left out is not recorded', async () => {
  monitoring.instrument({ except: ['cache.get'] });
  await monitoring.ready();
  await cacheGet.trace(async () => 1, { key: 'k', driver: 'memory' });
  await add();
  expect(monitoring.recentSpans().map(({ name }) => name)).toEqual(['queue.enqueue send-email']);
});

test('a payload that throws when read leaves work and context alone', async () => {
  const unreadable = {
    toString(): string {
      throw new Error('no');
    },
  };
  const payload = { ...job, job: unreadable as unknown as string };
  const seen = await runWithContext({ requestId: 'r1' }, () =>
    enqueue.trace(async () => currentContext(), payload),
  );
  expect(seen).toEqual({ requestId: 'r1' });
  expect(monitoring.registry.value('monitoring_dropped', { reason: 'threw' })).toBe(1);
});

test('nothing is sampled, and durations are still recorded', async () => {
  const quiet = createMonitoring({ sampler: 'always_off', env: {} });
  quiet.instrument();
  await quiet.ready();
  await add();
  expect(quiet.recentSpans()).toEqual([]);
  expect(
    quiet.registry.value('queue_operation_duration_seconds', { operation: 'enqueue', outcome: 'ok', ...job }),
  ).toBe(1);
  await quiet.close();
});

test('other subscribers of an operation see the span as the current one', async () => {
  let spanId: string | undefined;
  const stop = subscribeOperation('queue.enqueue', {
    start: () => {
      spanId = currentContext().trace?.spanId;
    },
  });
  await add();
  stop();
  expect(spanId).toBe(monitoring.recentSpans()[0]?.spanId);
});
