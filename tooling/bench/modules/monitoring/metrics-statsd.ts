import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { benchmark } from '../../src/benchmark.ts';
import { perCpuSecond } from '../../src/cpu.ts';
import { peer } from '../../src/peers.ts';

interface HotShots {
  StatsD: new (
    options: object,
  ) => {
    increment(name: string, value: number, tags: object): void;
    histogram(name: string, value: number, tags: object): void;
    close(done: () => void): void;
  };
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];
const labels = (i: number): { method: string; path: string } => ({
  method: METHODS[i & 3] as string,
  path: '/api/orders',
});
/** Calls between two turns of the event loop: about what a busy server makes while it answers a few requests. */
const BURST = 200;
/** Calls between two pushes: 10 seconds at 10,000 a second. */
const PUSH = 100_000;

/** A port on which somebody listens and reads, in this process: both sides pay for it. */
async function receiver(): Promise<number> {
  const socket = createSocket('udp4');
  socket.on('message', () => undefined);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket.address().port;
}

async function hotShots(maxBufferSize: number): Promise<number> {
  const { StatsD } = await peer<HotShots>('hot-shots');
  const client = new StatsD({
    host: '127.0.0.1',
    port: await receiver(),
    maxBufferSize,
    errorHandler: () => undefined,
  });
  return perCpuSecond(async (times) => {
    for (let i = 0; i < times; i += 1) {
      if (i & 1) client.histogram('wait_ms', i % 1000, labels(i));
      else client.increment('requests', 1, labels(i));
      if (i % BURST === 0) await turn();
    }
  });
}

export const sending = benchmark({
  case: 'increment and observe with StatsD on, the pushes included',
  unit: 'calls/CPU s',
  packages: ['hot-shots'],
  async ours() {
    const { createMonitoring, statsd } = await import('@vibeonrails/infra-monitoring');
    const exporters = [statsd({ host: '127.0.0.1', port: await receiver(), dialect: 'datadog' })];
    const monitoring = createMonitoring({ env: {}, exporters, pushInterval: '1h' });
    await monitoring.ready();
    return perCpuSecond(async (times) => {
      for (let i = 0; i < times; i += 1) {
        if (i & 1) monitoring.observe('wait_ms', i % 1000, labels(i));
        else monitoring.increment('requests', 1, labels(i));
        if (i % BURST === 0) await turn();
        if (i % PUSH === 0) await monitoring.flush();
      }
      await monitoring.flush();
    });
  },
  peers: {
    'hot-shots, unbuffered': () => hotShots(0),
    'hot-shots, buffered': () => hotShots(1432),
  },
  targets: [{ baseline: 'hot-shots, unbuffered', atLeast: 10 }, { baseline: 'hot-shots, buffered' }],
});
