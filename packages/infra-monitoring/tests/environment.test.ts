import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createMonitoring, type Monitoring, statsd } from '@vibeonrails/infra-monitoring';
import { afterEach, describe, expect, test } from 'vitest';
import { otlpReceiver } from './otlp-receiver.ts';
import { udpReceiver, until } from './statsd-receiver.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
const keep = <T extends { close(): Promise<unknown> }>(one: T): T => {
  open.push(one);
  return one;
};
const from = (env: Record<string, string>): Monitoring => keep(createMonitoring({ env }));

/** Runs a script on the sources, sending to both receivers, and resolves with its exit code. */
async function run(code: string, statsdPort: number, endpoint: string): Promise<unknown> {
  const flags = ['--import', 'tsx', '--conditions', '@vibeonrails/infra-source', '--input-type=module'];
  const child = spawn(process.execPath, [...flags, '--eval', code], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      STATSD_URL: `udp://127.0.0.1:${statsdPort}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    },
  });
  return (await once(child, 'exit'))[0];
}

/** What a script writes to standard error. */
async function printed(code: string, env: Record<string, string>): Promise<string> {
  const flags = ['--import', 'tsx', '--conditions', '@vibeonrails/infra-source', '--input-type=module'];
  const child = spawn(process.execPath, [...flags, '--eval', code], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'close');
  return text;
}

describe('STATSD_URL', () => {
  test('chooses StatsD, its dialect and its prefix', async () => {
    const receiver = keep(await udpReceiver());
    const monitoring = from({
      STATSD_URL: `udp://127.0.0.1:${receiver.port}?dialect=datadog&prefix=shop`,
      DD_AGENT_HOST: 'no-such-host.invalid',
      DD_ENV: 'test',
      DD_SERVICE: 'web',
    });
    await monitoring.ready();
    monitoring.increment('jobs');
    await monitoring.flush();
    await until(() => receiver.counter('shop.jobs_total', { env: 'test', service: 'web' }) === 1);
  });
  test('means plain StatsD where it names no dialect', async () => {
    const receiver = keep(await udpReceiver());
    const monitoring = from({ STATSD_URL: `udp://127.0.0.1:${receiver.port}`, DD_ENV: 'test' });
    monitoring.increment('jobs', 1, { a: 'b' });
    await monitoring.flush();
    await until(() => receiver.counter('jobs_total.a.b') === 1);
  });
});

test('DD_AGENT_HOST chooses the dialect of Datadog', async () => {
  const receiver = keep(await udpReceiver());
  const monitoring = from({ DD_AGENT_HOST: '127.0.0.1', DD_DOGSTATSD_PORT: String(receiver.port) });
  await monitoring.ready();
  monitoring.increment('jobs', 1, { a: 'b' });
  await monitoring.flush();
  await until(() => receiver.counter('jobs_total', { a: 'b' }) === 1);
});

describe('OTEL_EXPORTER_OTLP_ENDPOINT', () => {
  test('chooses a collector, with headers and resource', async () => {
    const collector = keep(await otlpReceiver());
    const monitoring = from({
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/base/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=a%2Cb=, x-tenant=7',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test,service.name=ignored',
      OTEL_SERVICE_NAME: 'shop',
    });
    await monitoring.ready();
    monitoring.withSpan('a', () => 0);
    await monitoring.flush();
    expect(collector.requests[0]).toMatchObject({
      path: '/base/v1/traces',
      headers: { 'x-api-key': 'a,b=', 'x-tenant': '7', 'content-encoding': 'gzip' },
    });
    expect(collector.resources[0]).toMatchObject({
      'deployment.environment': 'test',
      'service.name': 'shop',
    });
    expect(collector.problems).toEqual([]);
  });
  test('gives way to the one for traces alone, which is taken as it is', async () => {
    const collector = keep(await otlpReceiver());
    const monitoring = from({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://no-such-host.invalid',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/mine`,
      OTEL_EXPORTER_OTLP_HEADERS: 'a=1',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'a=2',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=named',
    });
    monitoring.withSpan('a', () => 0);
    await monitoring.flush();
    expect(collector.requests[0]).toMatchObject({ path: '/mine', headers: { a: '2' } });
    expect(collector.resources[0]).toMatchObject({ 'service.name': 'named' });
  });
});

describe('the variables of OpenTelemetry', () => {
  const sent = async (monitoring: Monitoring, collector: Awaited<ReturnType<typeof otlpReceiver>>) => {
    await monitoring.ready();
    monitoring.withSpan('a', () => monitoring.increment('jobs'));
    await monitoring.flush();
    expect(collector.problems).toEqual([]);
    return collector.requests.map(({ path }) => path).sort();
  };
  test('send traces and metrics to one endpoint, each with its own headers', async () => {
    const collector = keep(await otlpReceiver());
    const monitoring = from({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'a=both',
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'a=metrics',
      OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: 'gzip',
    });
    expect(await sent(monitoring, collector)).toEqual(['/v1/metrics', '/v1/traces']);
    const of = (path: string) => collector.requests.find((request) => request.path === path)?.headers;
    expect(of('/v1/traces')).toMatchObject({ a: 'both' });
    expect(of('/v1/metrics')).toMatchObject({ a: 'metrics', 'content-encoding': 'gzip' });
  });
  test.each([
    [{ OTEL_METRICS_EXPORTER: 'none' }, ['/v1/traces']],
    [{ OTEL_METRICS_EXPORTER: 'prometheus' }, ['/v1/traces']],
    [{ OTEL_TRACES_EXPORTER: 'none' }, ['/v1/metrics']],
    [{ OTEL_SDK_DISABLED: 'true' }, []],
  ])('%j leaves something out', async (env, paths) => {
    const collector = keep(await otlpReceiver());
    const monitoring = from({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env });
    expect(await sent(monitoring, collector)).toEqual(paths);
    expect(monitoring.registry.value('jobs')).toBe(1);
  });
  test('that name the endpoint of metrics alone send metrics alone', async () => {
    const collector = keep(await otlpReceiver());
    const monitoring = from({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.url}/mine` });
    expect(await sent(monitoring, collector)).toEqual(['/mine']);
  });
  test('set how many spans leave at once', async () => {
    const collector = keep(await otlpReceiver());
    const monitoring = from({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url,
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '3',
      OTEL_BSP_MAX_QUEUE_SIZE: '5',
    });
    await monitoring.ready();
    for (let i = 0; i < 9; i += 1) monitoring.withSpan('a', () => 0);
    await monitoring.flush();
    expect(collector.requests.map(({ spans }) => spans.length)).toEqual([3, 2]);
    expect(monitoring.registry.value('monitoring_dropped', { reason: 'otlp_queue_full' })).toBe(4);
  });
  test('turn tracing off', () => {
    const monitoring = from({ OTEL_SDK_DISABLED: 'true' });
    expect(monitoring.startSpan('a').sampled).toBe(false);
  });
  test('print traces as trees where they say so, and nothing without them', async () => {
    const code = `
      import { monitoring, withSpan } from '@vibeonrails/infra-monitoring';
      withSpan('outer', () => withSpan('inner', () => 0));
      await monitoring.flush();
    `;
    expect(await printed(code, { OTEL_TRACES_EXPORTER: 'console' })).toMatch(
      /^trace [0-9a-f]{32}\nouter {2}.* ms\n└─ inner {2}.* ms\n\n$/,
    );
    expect(await printed(code, {})).toBe('');
  });
});

test.each([
  ['STATSD_URL', { STATSD_URL: 'localhost:8125' }],
  ['STATSD_URL', { STATSD_URL: 'http://localhost:8125' }],
  ['STATSD_URL', { STATSD_URL: 'unix:///var/run/datadog/dsd.socket' }],
  ['STATSD_URL', { STATSD_URL: 'udp://:8125' }],
  ['STATSD_URL', { STATSD_URL: 'udp://localhost:0' }],
  ['STATSD_URL', { STATSD_URL: 'udp://localhost/metrics' }],
  ['STATSD_URL', { STATSD_URL: 'udp://localhost?dialekt=datadog' }],
  ['STATSD_URL', { STATSD_URL: 'udp://localhost?dialect=dogstatsd' }],
  ['STATSD_URL', { STATSD_URL: 'udp://localhost?prefix=a|b' }],
  ['DD_AGENT_HOST', { DD_AGENT_HOST: 'http://agent' }],
  ['DD_AGENT_HOST', { DD_DOGSTATSD_PORT: '8125' }],
  ['DD_DOGSTATSD_PORT', { DD_AGENT_HOST: 'agent', DD_DOGSTATSD_PORT: '99999' }],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', { OTEL_EXPORTER_OTLP_ENDPOINT: 'grpc://collector:4317' }],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://me:secret@collector' }],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', { OTEL_EXPORTER_OTLP_HEADERS: 'key=secret' }],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }],
  [
    'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  ],
  [
    'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' },
  ],
  [
    'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_EXPORTER_OTLP_TIMEOUT: '10s' },
  ],
  [
    'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_EXPORTER_OTLP_HEADERS: 'secret' },
  ],
  [
    'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_EXPORTER_OTLP_HEADERS: 'a b=secret' },
  ],
  ['OTEL_TRACES_EXPORTER', { OTEL_TRACES_EXPORTER: 'zipkin' }],
  ['OTEL_METRICS_EXPORTER', { OTEL_METRICS_EXPORTER: 'console' }],
  [
    'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE',
    { OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta' },
  ],
  ['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'collector' }],
  ['OTEL_RESOURCE_ATTRIBUTES', { OTEL_RESOURCE_ATTRIBUTES: 'shop' }],
  ['OTEL_RESOURCE_ATTRIBUTES', { OTEL_RESOURCE_ATTRIBUTES: 'a=%zz' }],
])('%s is named by one coded error at ready(), and recording goes on: %j', async (variable, env) => {
  const monitoring = from(env);
  monitoring.increment('jobs');
  expect(monitoring.withSpan('a', () => 7)).toBe(7);
  const error = await monitoring.ready().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'E_CONFIG', message: expect.stringContaining(variable) });
  expect((error as Error).message).not.toContain('secret');
  expect(monitoring.registry.value('jobs')).toBe(1);
});

test.each(['delta', 'lowmemory', 'Cumulative'])(
  'a temporality of %s is refused, and the error says what to do instead',
  async (given) => {
    const monitoring = from({ OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: given });
    await expect(monitoring.ready()).rejects.toThrow(/expected cumulative.*cumulativetodelta/);
  },
);

test('exporters that are given take the place of what the environment chooses', async () => {
  const [chosen, given] = [keep(await udpReceiver()), keep(await udpReceiver())];
  const env = { STATSD_URL: `udp://127.0.0.1:${chosen.port}` };
  for (const exporters of [[], [statsd({ host: '127.0.0.1', port: given.port })]]) {
    const monitoring = keep(createMonitoring({ env, exporters }));
    monitoring.increment('jobs');
    await monitoring.flush();
  }
  await until(() => given.counter('jobs_total') === 1);
  expect(chosen.packets).toEqual([]);
});

test.each([
  ['a shutdown', "await shutdown('test');"],
  ['a shutdown and an exit', "void shutdown('test').then(() => process.exit(0));"],
])('%s sends what was recorded last, metrics and spans', async (_, end) => {
  const [receiver, collector] = [keep(await udpReceiver()), keep(await otlpReceiver())];
  const code = `
    import { shutdown } from '@vibeonrails/infra-core';
    import { increment, monitoring, observe, startSpan, withSpan } from '@vibeonrails/infra-monitoring';
    increment('jobs', 3);
    observe('wait_ms', 5);
    withSpan('done', () => 0);
    startSpan('left open');
    ${end}
  `;
  expect(await run(code, receiver.port, collector.url)).toBe(0);
  await until(
    () => receiver.counter('jobs_total') === 3 && receiver.received().some(({ type }) => type === 'ms'),
  );
  expect(
    collector
      .spans()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['done', 'left open']);
  expect(collector.spans().find(({ name }) => name === 'left open')?.attributes).toEqual({
    'infra.abandoned': true,
  });
});

test('a process that sends ends by itself', async () => {
  const [receiver, collector] = [keep(await udpReceiver()), keep(await otlpReceiver())];
  const code = `
    import { increment, monitoring, withSpan } from '@vibeonrails/infra-monitoring';
    await monitoring.ready();
    increment('jobs', 3);
    withSpan('done', () => 0);
    await monitoring.flush();
  `;
  expect(await run(code, receiver.port, collector.url)).toBe(0);
});
