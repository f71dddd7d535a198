import { once } from 'node:events';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { createMonitoring, type Monitoring, otlp } from '@vibeonrails/infra-monitoring';
import { afterEach, describe, expect, test } from 'vitest';
import { until } from './statsd-receiver.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** Listens on loopback until the test is over. */
async function listening(server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answering = (answer: (response: ServerResponse) => void): Promise<string> =>
  listening(
    createHttpServer((request, response) => {
      request.resume();
      request.on('end', () => answer(response));
    }),
  );

/** Where a collector should be. Each is an address; nothing that is sent there is ever taken. */
const OUTAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  'whose name DNS does not know': () => 'http://no-such-collector.invalid:4318',
  'where nothing listens': async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return `http://127.0.0.1:${port}`;
  },
  'that hangs up': () => listening(createServer((socket) => socket.destroy())),
  'that takes connections and says nothing': () => listening(createServer(() => undefined)),
  'that speaks another protocol': () => listening(createServer((socket) => socket.end('220 ready\r\n'))),
  'that never finishes its answer': () => answering((response) => void response.writeHead(503).write('…')),
  'that breaks off in its answer': () =>
    answering((response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{', () => response.destroy());
    }),
  'that refuses all there is': () => answering((response) => void response.writeHead(403).end('no')),
  'that is overloaded': () =>
    answering((response) => void response.writeHead(429, { 'retry-after': '3600' }).end()),
  'that fails': () => answering((response) => void response.writeHead(500).end('{"message":"?"}')),
};

const counted = (monitoring: Monitoring, reason: string): number =>
  monitoring.registry.value('monitoring_dropped', { reason }) ?? 0;
const lost = (monitoring: Monitoring): number =>
  counted(monitoring, 'otlp_queue_full') + counted(monitoring, 'otlp_unsent');

describe.each(Object.keys(OUTAGES))('a collector %s', (name) => {
  const address = OUTAGES[name] as () => string | Promise<string>;

  test('holds neither the work nor a flush nor the end, and every span and reading is counted', async () => {
    const endpoint = await address();
    const exporters = [otlp({ endpoint, flushTimeout: 100, timeout: '5m' })];
    const monitoring = createMonitoring({ env: {}, sampler: 'always_on', exporters });
    await monitoring.ready();
    const startedAt = performance.now();
    for (let i = 0; i < 5000; i += 1) monitoring.withSpan('work', () => monitoring.increment('jobs'));
    // What finds no room is counted at once, whatever the collector does.
    expect(counted(monitoring, 'otlp_queue_full')).toBe(5000 - 2048);
    await monitoring.flush();
    expect(monitoring.withSpan('more', () => 7)).toBe(7);
    await monitoring.close();
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    expect(lost(monitoring)).toBe(5001);
    expect(counted(monitoring, 'otlp_metrics_unsent')).toBeGreaterThan(0);
    expect(counted(monitoring, 'exporter_threw')).toBe(0);
  });
});

test.each(['whose name DNS does not know', 'where nothing listens'])(
  'a day with a collector %s takes no more memory than a minute',
  async (name) => {
    const clock = fakeClock();
    const endpoint = await (OUTAGES[name] as () => string | Promise<string>)();
    const exporters = [otlp({ endpoint, flushTimeout: 1 })];
    const monitoring = createMonitoring({ env: {}, sampler: 'always_on', clock, exporters });
    ends.push(() => monitoring.close());
    await monitoring.ready();
    let made = 0;
    // Batches are given up, and further ones taken up, while the clock runs on.
    for (let round = 0; round < 5; round += 1) {
      for (let i = 0; i < 1500; i += 1) monitoring.withSpan('work', () => undefined);
      made += 1500;
      const before = counted(monitoring, 'otlp_unsent');
      await until(() => {
        void clock.advance(1000);
        return counted(monitoring, 'otlp_unsent') > before;
      });
      // The queue, and the one batch that is on its way.
      expect(made - lost(monitoring)).toBeLessThanOrEqual(2048 + 512);
    }
    const closed = monitoring.close();
    void clock.advance('1m');
    await closed;
    expect(lost(monitoring)).toBe(made);
  },
);

test('of an answer that does not end, a part is read', async () => {
  let written = 0;
  const endpoint = await answering((response) => {
    const more = (): void => {
      if (response.destroyed) return;
      written += 65_536;
      if (response.write('x'.repeat(65_536))) setImmediate(more);
      else response.once('drain', more);
    };
    more();
  });
  const exporters = [otlp({ endpoint, signals: ['traces'], flushTimeout: '1m', timeout: '1m' })];
  const monitoring = createMonitoring({ env: {}, sampler: 'always_on', exporters });
  ends.push(() => monitoring.close());
  monitoring.withSpan('work', () => undefined);
  await monitoring.flush();
  // It said 200, so it has the span; what fits into both ends of a socket may have been written meanwhile.
  expect(lost(monitoring)).toBe(0);
  expect(written).toBeLessThan(64 * 1024 * 1024);
});
