import { type AddressInfo, createServer } from 'node:net';
import { systemClock } from '@vibeonrails/infra-core';
import {
  createMonitoring,
  type Monitoring,
  type MonitoringOptions,
  type StatsdOptions,
  statsd,
} from '@vibeonrails/infra-monitoring';
import { monitoringExporterSuite } from '@vibeonrails/infra-monitoring/testing';
import { afterEach, describe, expect, it, test } from 'vitest';
import { hotShotsTransport } from '../src/drivers/statsd-transport.ts';
import { type StatsdReceiver, tcpReceiver, udpReceiver, until } from './statsd-receiver.ts';
import { turnsDuring } from './turns.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

const udp = async (port?: number, host?: string): Promise<StatsdReceiver> => {
  const receiver = await udpReceiver(port, host);
  open.push(receiver);
  return receiver;
};
const sendingTo = (port: number, options: StatsdOptions = {}, how: MonitoringOptions = {}): Monitoring => {
  const monitoring = createMonitoring({
    env: {},
    ...how,
    exporters: [statsd({ host: '127.0.0.1', port, timeout: '2s', ...options })],
  });
  open.push(monitoring);
  return monitoring;
};
const dropped = (monitoring: Monitoring, reason: string): number =>
  monitoring.registry.value('monitoring_dropped', { reason }) ?? 0;
const arrived = (receiver: StatsdReceiver, name: string): boolean =>
  receiver.received().some((one) => one.name === name);

for (const dialect of ['statsd', 'datadog'] as const)
  for (const protocol of ['udp', 'tcp'] as const)
    monitoringExporterSuite({ describe, it }, `statsd, ${dialect} over ${protocol}`, async () => {
      const receiver = await (protocol === 'udp' ? udpReceiver() : tcpReceiver());
      open.push(receiver);
      return {
        exporter: statsd({ host: '127.0.0.1', port: receiver.port, dialect, protocol }),
        async receivedMetrics() {
          await until(() => arrived(receiver, 'wait_ms'));
          return receiver.received().map(({ name }) => name.split('.')[0] ?? '');
        },
      };
    });

describe('counters', () => {
  test('send what they grew by, and over several pushes come to the registry’s totals', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port, { dialect: 'datadog' });
    for (let push = 0; push < 5; push += 1) {
      for (let i = 0; i < 200; i += 1) monitoring.increment('jobs', (i % 7) + 0.5, { queue: `q${i % 10}` });
      await monitoring.flush();
    }
    const queues = Array.from({ length: 10 }, (_, i) => ({ queue: `q${i}` }));
    await until(() =>
      queues.every((q) => receiver.counter('jobs_total', q) === monitoring.registry.value('jobs', q)),
    );
    expect(receiver.received().filter(({ name }) => name === 'jobs_total')).toHaveLength(50);
  });
  test('that did not grow send nothing', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port);
    monitoring.increment('jobs');
    for (let push = 0; push < 3; push += 1) await monitoring.flush();
    monitoring.gauge('end', 1);
    await monitoring.flush();
    await until(() => arrived(receiver, 'end'));
    expect(receiver.received().filter(({ name }) => name === 'jobs_total')).toMatchObject([{ value: 1 }]);
  });
  test('are written without an exponent, however large or small', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port);
    monitoring.increment('large', 3e22);
    monitoring.increment('small', 2.5e-7);
    await monitoring.flush();
    await until(() => receiver.received().length === 2);
    expect(receiver.received().map(({ text }) => text)).toEqual(['30000000000000000000000', '0.00000025']);
  });
});

describe('gauges', () => {
  test('below 0 are right on a plain server, where a sign is a change', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port);
    for (const depth of [5, -3, -7.5, 0, -1]) {
      monitoring.gauge('depth', depth);
      await monitoring.flush();
      await until(() => receiver.gauge('depth') === depth, `depth ${depth}`);
    }
  });
  test('below 0 are sent as they are to Datadog', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port, { dialect: 'datadog' });
    monitoring.gauge('depth', -3);
    await monitoring.flush();
    await until(() => receiver.received().length > 0);
    expect(receiver.packets).toEqual(['depth:-3|g']);
  });
  test('keep the 0 before a negative value in its packet', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port, { maxPacketBytes: 40 });
    for (let i = 10; i < 60; i += 1) monitoring.gauge(`gauge_${i}`, -i);
    await monitoring.flush();
    await until(() => receiver.received().length === 100);
    for (const packet of receiver.packets) expect(packet).toMatch(/^(gauge_\d\d):0\|g\n\1:-\d\d\|g$/);
  });
  test('that are not finite are left out', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port);
    monitoring.increment('huge', Number.MAX_VALUE);
    monitoring.increment('huge', Number.MAX_VALUE);
    monitoring.gauge('nan', Number.NaN);
    monitoring.gauge('end', 1);
    await monitoring.flush();
    await until(() => arrived(receiver, 'end'));
    expect(receiver.received().map(({ name }) => name)).toEqual([
      'monitoring_dropped_total.reason.not_finite',
      'end',
    ]);
  });
});

describe('histograms', () => {
  test('send every sample, in their order, as timings to a plain server', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port);
    for (const value of [7, 0.25, -1]) monitoring.observe('wait_ms', value, { queue: 'a' });
    await monitoring.flush();
    await until(() => receiver.received().length === 3);
    expect(receiver.received().map(({ name, type, value }) => [name, type, value])).toEqual([
      ['wait_ms.queue.a', 'ms', 7],
      ['wait_ms.queue.a', 'ms', 0.25],
      ['wait_ms.queue.a', 'ms', -1],
    ]);
  });
  test('send many samples in a line to Datadog, in packets that hold', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port, { dialect: 'datadog', maxSamples: 5000 });
    for (let i = 0; i < 3000; i += 1) monitoring.observe('wait_ms', i, { queue: 'a' });
    await monitoring.flush();
    await until(() => receiver.received().length === 3000);
    const all = receiver.received();
    expect(all.map(({ value }) => value)).toEqual(Array.from({ length: 3000 }, (_, i) => i));
    expect(all[0]).toMatchObject({ type: 'h', rate: 1, tags: { queue: 'a' } });
    expect(receiver.packets.length).toBeLessThan(20);
  });
  test.each(['statsd', 'datadog'] as const)(
    'send a fair choice with its rate when there are many: %s',
    async (dialect) => {
      const receiver = await udp();
      const monitoring = sendingTo(receiver.port, { dialect, maxSamples: 100 });
      for (let i = 0; i < 20_000; i += 1) monitoring.observe('wait_ms', i);
      await monitoring.flush();
      await until(() => receiver.received().length === 100);
      const all = receiver.received();
      expect(all.reduce((sum, { rate }) => sum + 1 / rate, 0)).toBeCloseTo(20_000, 6);
      // The mean of 100 uniform choices: five standard deviations are 2,900.
      const mean = all.reduce((sum, { value }) => sum + value, 0) / 100;
      expect(Math.abs(mean - 10_000)).toBeLessThan(2900);
      expect(dropped(monitoring, 'statsd_unsent')).toBe(0);
    },
  );
  test('start anew with each push', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port, { maxSamples: 2 });
    for (let i = 0; i < 8; i += 1) monitoring.observe('wait_ms', 1);
    await monitoring.flush();
    monitoring.observe('wait_ms', 2);
    await monitoring.flush();
    await until(() => receiver.received().length === 3);
    expect(receiver.received().map(({ value, rate }) => [value, rate])).toEqual([
      [1, 0.25],
      [1, 0.25],
      [2, 1],
    ]);
  });
  test('hold so many samples and no more; the rest is counted, by rate or as dropped', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port, { maxBufferedSamples: 10 });
    await monitoring.ready();
    for (let i = 0; i < 15; i += 1) monitoring.observe('a_ms', 1);
    for (let i = 0; i < 15; i += 1) monitoring.observe('b_ms', 1);
    expect(dropped(monitoring, 'statsd_unsent')).toBe(15);
    await monitoring.flush();
    await until(() => receiver.received().filter(({ type }) => type === 'ms').length === 10);
    const sum = receiver.received().reduce((all, { type, rate }) => all + (type === 'ms' ? 1 / rate : 0), 0);
    expect(sum).toBeCloseTo(15, 9);
  });
});

describe('names and labels', () => {
  const wild = { path: '/a:b|c,d#e@f\ng ü😀', 'odd.key': 'x y', number: 7 };
  test('become tags for Datadog, without what ends a tag or a line', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port, {
      dialect: 'datadog',
      prefix: 'shop',
      tags: { env: 'test', number: '1' },
    });
    monitoring.increment('http:requests', 1, wild);
    await monitoring.flush();
    await until(() => arrived(receiver, 'shop.http_requests_total'));
    expect(receiver.received()[1]).toMatchObject({
      name: 'shop.http_requests_total',
      tags: { env: 'test', path: '/a:b_c_d_e_f_g ü😀', odd_key: 'x y', number: '7' },
    });
  });
  test('become part of the name for a plain server', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port, { prefix: 'shop.' });
    monitoring.increment('http:requests', 1, { path: '/a.b|c:d\n', method: 'GET' });
    await monitoring.flush();
    await until(() => receiver.received().length > 0);
    expect(receiver.received().map(({ name }) => name)).toEqual([
      'shop.http_requests_total.method.GET.path._a_b_c_d_',
    ]);
  });
  test('that make a line no packet holds are dropped and counted once for what they counted', async () => {
    const receiver = await udp();
    const monitoring = sendingTo(receiver.port);
    const labels = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`l${i}`, 'x'.repeat(250)]));
    monitoring.increment('jobs', 1, labels);
    monitoring.observe('wait_ms', 1, labels);
    await monitoring.flush();
    await monitoring.flush();
    expect(dropped(monitoring, 'statsd_oversize')).toBe(2);
    expect(dropped(monitoring, 'statsd_unsent')).toBe(0);
  });
});

test('no packet is larger than 1,432 bytes, and few are much smaller', async () => {
  const receiver = await udp();
  const monitoring = sendingTo(receiver.port, { dialect: 'datadog' });
  for (let i = 0; i < 900; i += 1) monitoring.increment('jobs', 1, { queue: `schlange-ü-${i}` });
  await monitoring.flush();
  await until(() => receiver.received().length === 900);
  const sizes = receiver.packets.map((packet) => Buffer.byteLength(packet));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1432);
  expect(sizes.slice(0, -1).every((size) => size > 1300)).toBe(true);
});

test('IPv6 addresses and names serve as a host', async () => {
  const v6 = await udp(0, '::1');
  const v4 = await udp();
  for (const [receiver, host] of [
    [v6, '::1'],
    [v4, 'localhost'],
  ] as const) {
    const monitoring = sendingTo(receiver.port, { host });
    monitoring.increment('jobs');
    await monitoring.flush();
    await until(() => receiver.counter('jobs_total') === 1, host);
  }
});

describe('a server that is gone', () => {
  test('over UDP costs nothing, and is sent to again when it is back', async () => {
    const { port, close } = await udpReceiver();
    const monitoring = sendingTo(port);
    await close();
    for (let push = 0; push < 3; push += 1) {
      monitoring.increment('jobs');
      monitoring.observe('wait_ms', 1);
      await monitoring.flush();
    }
    await monitoring.ready();
    const back = await udp(port);
    monitoring.increment('jobs', 10);
    await monitoring.flush();
    await until(() => back.counter('jobs_total') === 10);
  });
  test('over TCP, at the start: counters arrive in full once it is there, samples are counted as dropped', async () => {
    const { port, close } = await tcpReceiver();
    await close();
    const monitoring = sendingTo(port, { protocol: 'tcp' });
    await monitoring.ready();
    monitoring.increment('jobs', 3);
    monitoring.observe('wait_ms', 1);
    monitoring.observe('wait_ms', 2);
    await monitoring.flush();
    expect(dropped(monitoring, 'statsd_unsent')).toBe(2);
    const back = await tcpReceiver(port);
    open.push(back);
    monitoring.increment('jobs', 4);
    await monitoring.flush();
    await until(() => back.counter('jobs_total') === 7);
  });
  test('over TCP, in the middle: it is connected to again without a restart', async () => {
    const first = await tcpReceiver();
    const monitoring = sendingTo(first.port, { protocol: 'tcp' });
    monitoring.increment('jobs', 1);
    await monitoring.flush();
    await until(() => first.counter('jobs_total') === 1);
    await first.close();
    const back = await tcpReceiver(first.port);
    open.push(back);
    await until(() => {
      monitoring.increment('again');
      void monitoring.flush();
      return back.counter('again_total') > 0;
    });
  });
  test('over TCP, that accepts and reads nothing: a packet is given up in time, the next goes over a new connection', async () => {
    let connections = 0;
    let isReading = false;
    const server = createServer((socket) => {
      connections += 1;
      socket.on('error', () => undefined);
      if (isReading) socket.resume();
      else socket.pause();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const transport = hotShotsTransport({ protocol: 'tcp', host: '127.0.0.1', port }, 500, () => systemClock);
    open.push({
      async close() {
        transport.close();
        server.close();
      },
    });
    await transport.ready();
    // What the sockets of both sides hold is a few MB.
    const packet = 'x'.repeat(1_000_000);
    let sent = 0;
    while (sent < 500 && (await transport.send(packet))) sent += 1;
    expect(sent).toBeLessThan(500);
    isReading = true;
    await until(() => transport.send('a:1|c'));
    expect(connections).toBeGreaterThan(1);
  });
  test('by a name that DNS does not know: dropped samples are counted, counters wait', async () => {
    const monitoring = sendingTo(8125, { host: 'no-such-host.invalid' });
    monitoring.increment('jobs');
    monitoring.observe('wait_ms', 1);
    const startedAt = performance.now();
    await monitoring.flush();
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    expect(dropped(monitoring, 'statsd_unsent')).toBe(1);
  });
});

test('a name is looked up, and not the address of something else', async () => {
  const loopback = await udp();
  const monitoring = sendingTo(loopback.port, { host: 'no-such-host.invalid' });
  monitoring.increment('jobs');
  await monitoring.flush();
  expect(loopback.packets).toEqual([]);
});

test('a push that overtakes another is sent in one with the next', async () => {
  const receiver = await udp();
  const monitoring = sendingTo(receiver.port);
  monitoring.increment('jobs', 1);
  const first = monitoring.flush();
  monitoring.increment('jobs', 2);
  await Promise.all([first, monitoring.flush(), monitoring.flush()]);
  await until(() => receiver.counter('jobs_total') === 3);
});

test('what was recorded last arrives when the monitoring closes', async () => {
  const receiver = await udp();
  const monitoring = sendingTo(receiver.port);
  monitoring.increment('jobs');
  monitoring.observe('wait_ms', 5);
  await monitoring.close();
  monitoring.observe('wait_ms', 6);
  await until(() => receiver.received().length === 2);
  expect(receiver.received().map(({ name }) => name)).toEqual(['jobs_total', 'wait_ms']);
});

test.each([
  ['host', ''],
  ['port', 0],
  ['port', 70_000],
  ['protocol', 'unix'],
  ['dialect', 'graphite'],
  ['prefix', 'a|b'],
  ['maxSamples', 0],
  ['maxBufferedSamples', 1.5],
  ['maxPacketBytes', -1],
])('the option %s cannot be %j', (option, value) => {
  expect(() => statsd({ [option]: value })).toThrow(
    expect.objectContaining({ code: 'E_MONITORING_OPTION', option }),
  );
});

test('the event loop turns while counters are passed over that did not grow', async () => {
  const { port } = await udp();
  const monitoring = sendingTo(port, {}, { maxSeries: 50_000 });
  for (let id = 0; id < 50_000; id += 1) monitoring.increment('jobs', 1, { id });
  await monitoring.flush();
  expect(await turnsDuring(() => monitoring.flush())).toBeGreaterThan(4);
});
