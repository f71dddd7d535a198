import { createMonitoring, type MonitoringExporter } from '@vibeonrails/infra-monitoring';
import { expect, test } from 'vitest';
import { deferred } from '../src/exporters.ts';

/** A deferred exporter whose code comes when `arrive` is called, unless it is broken; and what that code was given. */
function late(room = 10): {
  exporter: MonitoringExporter;
  seen: string[];
  arrive: () => void;
  state: { broken: boolean };
} {
  const seen: string[] = [];
  const state = { broken: false };
  let arrive: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const exporter = deferred({
    name: 'late',
    takes: ['spans', 'metrics', 'samples'],
    room,
    unsent: 'otlp_unsent',
    async load() {
      await arrived;
      if (state.broken) throw new Error('no such file');
      return {
        name: 'late',
        ready: async () => void seen.push('ready'),
        attach: () => void seen.push('attach'),
        exportSpan: ({ name }) => void seen.push(`span ${name}`),
        exportMetrics: (metrics) => void seen.push(`metrics ${metrics.length}`),
        exportSample: (_, value) => void seen.push(`sample ${value}`),
        flush: async () => void seen.push('flush'),
        close: async () => void seen.push('close'),
      };
    },
  });
  return { exporter, seen, arrive, state };
}

const lost = (monitoring: ReturnType<typeof createMonitoring>): number | undefined =>
  monitoring.registry.value('monitoring_dropped', { reason: 'otlp_unsent' });

test('what an exporter is given before its code is there reaches it afterwards, in order', async () => {
  const { exporter, seen, arrive } = late();
  const monitoring = createMonitoring({ env: {}, exporters: [exporter] });
  monitoring.withSpan('one', () => 0);
  monitoring.observe('wait_ms', 7);
  monitoring.withSpan('two', () => 0);
  const flushed = monitoring.flush();
  arrive();
  await flushed;
  expect(seen).toEqual(['attach', 'span one', 'sample 7', 'span two', 'metrics 1', 'flush']);
  monitoring.withSpan('three', () => 0);
  monitoring.observe('wait_ms', 8);
  expect(seen.slice(-2)).toEqual(['span three', 'sample 8']);
  await monitoring.close();
  expect(seen.at(-1)).toBe('close');
});

test('what finds no room meanwhile is counted', async () => {
  const { exporter, seen, arrive } = late(2);
  const monitoring = createMonitoring({ env: {}, exporters: [exporter] });
  for (const name of ['a', 'b', 'c', 'd', 'e']) monitoring.withSpan(name, () => 0);
  expect(lost(monitoring)).toBe(3);
  arrive();
  await monitoring.ready();
  expect(seen).toEqual(['attach', 'span a', 'span b', 'ready']);
  await monitoring.close();
});

test('code that cannot be loaded is a coded error of ready(), asked for again by the next one', async () => {
  const { exporter, seen, arrive, state } = late();
  state.broken = true;
  arrive();
  const monitoring = createMonitoring({ env: {}, exporters: [exporter] });
  monitoring.withSpan('kept', () => 0);
  await expect(monitoring.ready()).rejects.toMatchObject({
    code: 'E_MONITORING_EXPORTER',
    cause: { message: 'no such file' },
  });
  state.broken = false;
  await monitoring.ready();
  expect(seen).toEqual(['attach', 'span kept', 'ready']);
  await monitoring.close();
});

test('an exporter that never loaded closes, counts what it held, and takes no more', async () => {
  const { exporter, arrive, state } = late();
  state.broken = true;
  arrive();
  const monitoring = createMonitoring({ env: {}, exporters: [exporter] });
  monitoring.withSpan('a', () => 0);
  await exporter.close();
  monitoring.withSpan('b', () => 0);
  expect(lost(monitoring)).toBe(1);
  await monitoring.close();
  expect(lost(monitoring)).toBe(1);
});
