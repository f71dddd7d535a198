import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fakeClock } from '@vibeonrails/infra-core/testing';
import { createRegistry, type Registry } from '@vibeonrails/infra-monitoring';
import { beforeEach, describe, expect, test, vi } from 'vitest';

let registry: Registry;
beforeEach(() => {
  registry = createRegistry();
});

describe('counters', () => {
  test('add up, by 1 unless told otherwise', () => {
    registry.increment('jobs');
    registry.increment('jobs', 4);
    registry.increment('jobs', 0.5);
    expect(registry.value('jobs')).toBe(5.5);
  });
  test('keep the sums of different labels apart', () => {
    registry.increment('jobs', 1, { queue: 'a' });
    registry.increment('jobs', 2, { queue: 'b' });
    registry.increment('jobs', 3);
    expect(registry.value('jobs', { queue: 'a' })).toBe(1);
    expect(registry.value('jobs', { queue: 'b' })).toBe(2);
    expect(registry.value('jobs')).toBe(3);
  });
  test('are the same with and without _total in their name', () => {
    registry.increment('jobs');
    registry.increment('jobs_total');
    expect(registry.value('jobs')).toBe(2);
    expect(registry.value('jobs_total')).toBe(2);
    expect(registry.snapshot().map(({ name }) => name)).toEqual(['jobs_total']);
  });
});

describe('gauges', () => {
  test('hold the last value', () => {
    registry.gauge('depth', 5);
    registry.gauge('depth', -2.5);
    expect(registry.value('depth')).toBe(-2.5);
  });
  test('go up and down', () => {
    registry.gauge('depth', 5);
    registry.increment('depth', 2);
    registry.increment('depth', -1);
    registry.decrement('depth');
    expect(registry.value('depth')).toBe(5);
  });
  test('start below 0 where the first call takes away', () => {
    registry.decrement('open', 3);
    expect(registry.snapshot()).toMatchObject([{ name: 'open', type: 'gauge', series: [{ value: -3 }] }]);
  });
});

describe('histograms', () => {
  const bounds = (name: string): number[] => {
    registry.observe(name, 1);
    const [metric] = registry.snapshot();
    return metric?.type === 'histogram' ? (metric.series[0]?.buckets.map(({ le }) => le) ?? []) : [];
  };

  test('count a sample in the first bucket whose bound is not below it', () => {
    registry.describe('size', { type: 'histogram', buckets: [1, 2] });
    for (const value of [0.5, 1, 1.5, 2, 3, -7]) registry.observe('size', value);
    expect(registry.snapshot()).toMatchObject([
      {
        series: [
          {
            count: 6,
            sum: 1,
            buckets: [
              { le: 1, count: 3 },
              { le: 2, count: 5 },
              { le: Number.POSITIVE_INFINITY, count: 6 },
            ],
          },
        ],
      },
    ]);
  });
  test('of milliseconds reach from 5 ms to 10 s', () => {
    expect(bounds('response_time_ms')).toEqual([
      5,
      10,
      25,
      50,
      100,
      250,
      500,
      1000,
      2500,
      5000,
      10_000,
      Infinity,
    ]);
  });
  test('of seconds reach from 5 ms to 10 s too', () => {
    expect(bounds('wait_seconds')).toEqual([
      0.005,
      0.01,
      0.025,
      0.05,
      0.1,
      0.25,
      0.5,
      1,
      2.5,
      5,
      10,
      Infinity,
    ]);
  });
  test('of bytes reach from 256 bytes to 256 MiB', () => {
    expect(bounds('upload_bytes')).toEqual([...Array.from({ length: 11 }, (_, i) => 256 * 4 ** i), Infinity]);
    expect(bounds('upload_bytes').at(-2)).toBe(256 * 1024 * 1024);
  });
  test('of anything else reach from 1 to 10,000', () => {
    expect(bounds('items')).toEqual([
      1,
      2.5,
      5,
      10,
      25,
      50,
      100,
      250,
      500,
      1000,
      2500,
      5000,
      10_000,
      Infinity,
    ]);
  });
  test('keep their buckets once there are samples', () => {
    registry.observe('size_bytes', 1);
    registry.describe('size_bytes', { type: 'histogram', buckets: [1, 2] });
    expect(bounds('size_bytes').slice(0, 2)).toEqual([256, 1024]);
  });
});

describe('labels', () => {
  test('make one series in any order', () => {
    for (let round = 0; round < 3; round += 1) {
      registry.increment('calls', 1, { a: '1', b: '2' });
      registry.increment('calls', 1, { b: '2', a: '1' });
    }
    expect(registry.snapshot()).toMatchObject([{ series: [{ labels: { a: '1', b: '2' }, value: 6 }] }]);
  });
  test('of different shapes stay apart on one metric', () => {
    for (let round = 0; round < 3; round += 1) {
      registry.increment('calls', 1, { a: '1' });
      registry.increment('calls', 1, { b: '1' });
      registry.increment('calls', 1, { a: '1', b: '1' });
      registry.increment('calls', 1, { b: '1', c: '1' });
      registry.increment('calls', 1);
    }
    const [metric] = registry.snapshot();
    expect(metric?.series).toHaveLength(5);
    expect(metric?.series.every((series) => 'value' in series && series.value === 3)).toBe(true);
  });
  test('never collide, whatever their values hold', () => {
    registry.increment('calls', 1, { a: 'x,b:y' });
    registry.increment('calls', 1, { a: 'x', b: 'y' });
    registry.increment('calls', 1, { a: 'x",b="y' });
    registry.increment('calls', 1, { a: 'x\\",b=\\"y' });
    expect(registry.snapshot()[0]?.series.map((series) => 'value' in series && series.value)).toEqual([
      1, 1, 1, 1,
    ]);
  });
  test('take numbers and booleans as their text', () => {
    registry.increment('calls', 1, { status: 200, cached: true, size: 12n });
    registry.increment('calls', 1, { status: '200', cached: 'true', size: '12' });
    expect(registry.value('calls', { status: '200', cached: 'true', size: '12' })).toBe(2);
  });
  test('that are empty, null or undefined are as if they were not there', () => {
    for (const path of ['', null, undefined]) registry.increment('calls', 1, { method: 'GET', path });
    expect(registry.value('calls', { method: 'GET' })).toBe(3);
    expect(registry.snapshot()[0]?.name).toBe('monitoring_cleaned_total');
  });
});

describe('the series cap', () => {
  test('folds further label sets into one overflow series and counts them', () => {
    const capped = createRegistry({ maxSeries: 3 });
    for (let id = 0; id < 10; id += 1) capped.increment('calls', 1, { id });
    expect(capped.value('calls', { id: 2 })).toBe(1);
    expect(capped.value('calls', { id: 3 })).toBeUndefined();
    expect(capped.value('calls', { overflow: 'true' })).toBe(7);
    expect(capped.value('monitoring_dropped', { reason: 'series_limit' })).toBe(7);
  });
  test('goes on counting the series it has', () => {
    const capped = createRegistry({ maxSeries: 2 });
    for (let round = 0; round < 2; round += 1)
      for (let id = 0; id < 5; id += 1) capped.observe('calls_ms', 1, { id });
    expect(capped.value('calls_ms', { id: 1 })).toBe(2);
    expect(capped.value('calls_ms', { overflow: 'true' })).toBe(6);
  });
  test('is 1,000 unless told otherwise, and a description can set it', () => {
    registry.describe('few', { type: 'counter', maxSeries: 2 });
    for (let id = 0; id < 1200; id += 1) {
      registry.increment('many', 1, { id });
      registry.increment('few', 1, { id });
    }
    expect(registry.value('many', { overflow: 'true' })).toBe(200);
    expect(registry.value('few', { overflow: 'true' })).toBe(1198);
  });
  test('counts each sample that it folds, however often its label set comes', () => {
    const capped = createRegistry({ maxSeries: 2 });
    const record = (times: number): void => {
      for (let i = 0; i < times; i += 1) {
        capped.increment('calls', 1, { id: String(i % 5), path: '/x' });
        capped.increment('calls', 1, { path: '/x', id: i % 5 });
        capped.observe('calls_ms', 1, { id: i % 5 });
      }
    };
    record(10_000);
    expect(capped.value('calls', { id: '1', path: '/x' })).toBe(4000);
    expect(capped.value('calls', { overflow: 'true' })).toBe(12_000);
    expect(capped.value('calls_ms', { overflow: 'true' })).toBe(6000);
    expect(capped.value('monitoring_dropped', { reason: 'series_limit' })).toBe(18_000);
  });
  test('that is raised makes room for label sets that were folded before', () => {
    const capped = createRegistry({ maxSeries: 2 });
    const record = (): void => {
      for (let i = 0; i < 1000; i += 1) capped.increment('calls', 1, { id: String(i % 10) });
    };
    record();
    capped.describe('calls', { type: 'counter', maxSeries: 20 });
    record();
    expect(capped.value('calls', { id: '9' })).toBe(100);
    expect(capped.value('calls', { overflow: 'true' })).toBe(800);
  });
  test('keeps memory flat over a million label sets', () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const measure = (): number => {
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    for (let id = 0; id < 2000; id += 1) registry.increment('calls', 1, { user: `u${id}`, path: '/x' });
    const before = measure();
    for (let id = 0; id < 1_000_000; id += 1) registry.increment('calls', 1, { user: `v${id}`, path: '/x' });
    expect(measure() - before).toBeLessThan(2 * 1024 * 1024);
    expect(registry.snapshot().find(({ name }) => name === 'calls_total')?.series).toHaveLength(1001);
  });
  test('holds for the number of metrics as well', () => {
    const capped = createRegistry({ maxMetrics: 2 });
    for (const name of ['a', 'b', 'c', 'd']) capped.increment(name);
    expect(capped.value('b')).toBe(1);
    expect(capped.value('c')).toBeUndefined();
    expect(capped.value('monitoring_dropped', { reason: 'metric_limit' })).toBe(2);
  });
});

describe('a name used as two types', () => {
  const conflicts = (): number | undefined =>
    registry.value('monitoring_dropped', { reason: 'type_conflict' });

  test('keeps its first type; samples of the other are dropped and counted', () => {
    registry.increment('x');
    registry.gauge('x', 9);
    registry.observe('x', 9);
    registry.decrement('x');
    expect(registry.snapshot().find(({ name }) => name === 'x_total')).toMatchObject({
      series: [{ value: 1 }],
    });
    expect(conflicts()).toBe(3);
  });
  test('is a conflict too where only the printed names meet', () => {
    registry.observe('wait', 1);
    registry.gauge('wait_count', 1);
    registry.increment('wait_sum');
    registry.increment('jobs');
    registry.gauge('jobs_total', 1);
    expect(conflicts()).toBe(3);
    expect(registry.snapshot().map(({ name }) => name)).toEqual([
      'monitoring_dropped_total',
      'wait',
      'jobs_total',
    ]);
  });
  test('is a conflict for a metric that would take the names of another', () => {
    registry.gauge('wait_count', 1);
    registry.observe('wait', 1);
    expect(conflicts()).toBe(1);
  });
  test('lets a gauge that ends in _total be incremented under that name', () => {
    registry.gauge('slots_total', 5);
    registry.increment('slots_total');
    registry.gauge('rooms.total', 5);
    registry.increment('rooms_total');
    expect(registry.value('slots_total')).toBe(6);
    expect(registry.value('rooms_total')).toBe(6);
  });
});

describe('timers', () => {
  test('record milliseconds, and seconds where the name says so', async () => {
    const clock = fakeClock();
    const timed = createRegistry({ clock });
    const ms = timed.startTimer('load_ms', { a: '1' });
    const seconds = timed.startTimer('load_seconds');
    await clock.advance('1500ms');
    expect(ms({ b: '2' })).toBe(1500);
    expect(seconds()).toBe(1.5);
    expect(timed.value('load_ms', { a: '1', b: '2' })).toBe(1);
  });
  test('record once, however often they are stopped', async () => {
    const clock = fakeClock();
    const timed = createRegistry({ clock });
    const stop = timed.startTimer('load_ms');
    await clock.advance(10);
    stop();
    await clock.advance(10);
    expect(stop()).toBe(10);
    expect(timed.value('load_ms')).toBe(1);
  });
  test('measure a function, and hand on what it returns', () => {
    expect(registry.time('work_ms', () => 7)).toBe(7);
    expect(registry.value('work_ms')).toBe(1);
  });
  test('measure a promise until it settles', async () => {
    const clock = fakeClock();
    const timed = createRegistry({ clock });
    const work = timed.time(
      'work_ms',
      () => new Promise<string>((resolve) => clock.after(30, () => resolve('done'))),
    );
    expect(timed.value('work_ms')).toBeUndefined();
    await clock.advance(30);
    expect(await work).toBe('done');
    expect(timed.snapshot()).toMatchObject([{ series: [{ count: 1, sum: 30 }] }]);
  });
  test('measure what fails, and hand on the failure', async () => {
    const failure = new Error('no');
    expect(() =>
      registry.time('work_ms', () => {
        throw failure;
      }),
    ).toThrow(failure);
    await expect(registry.time('work_ms', () => Promise.reject(failure))).rejects.toBe(failure);
    expect(registry.value('work_ms')).toBe(2);
  });
});

describe('describe()', () => {
  test('refuses what cannot be, and says what to do', () => {
    const refused: [string, object, string][] = [
      ['x', { type: 'summary' }, "Use 'counter', 'gauge' or 'histogram'."],
      ['', { type: 'counter' }, 'Give a name'],
      ['x', { type: 'gauge', buckets: [1] }, "type 'histogram'"],
      ['x', { type: 'histogram', buckets: [] }, 'do not increase'],
      ['x', { type: 'histogram', buckets: [1, 1] }, 'do not increase'],
      ['x', { type: 'histogram', buckets: [1, Number.POSITIVE_INFINITY] }, 'do not increase'],
    ];
    for (const [name, description, words] of refused) {
      const attempt = (): void => registry.describe(name, description as { type: 'counter' });
      expect(attempt).toThrow(expect.objectContaining({ code: 'E_MONITORING_DESCRIBE' }));
      expect(attempt).toThrow(words);
    }
  });
  test('shows the help and unit in a snapshot', () => {
    registry.describe('load', { type: 'gauge', help: 'How busy it is.', unit: 'percent' });
    registry.gauge('load', 1);
    expect(registry.snapshot()).toMatchObject([{ name: 'load', help: 'How busy it is.', unit: 'percent' }]);
  });
  test('does no harm when repeated', () => {
    for (let round = 0; round < 2; round += 1) {
      registry.describe('size', { type: 'histogram', buckets: [1, 2] });
      registry.observe('size', 1);
    }
    expect(registry.value('size')).toBe(2);
    expect(registry.value('monitoring_dropped', { reason: 'type_conflict' })).toBeUndefined();
  });
  test('drops a description of another type than the metric has', () => {
    registry.increment('x');
    registry.describe('x', { type: 'gauge', help: 'no' });
    expect(registry.snapshot().find(({ name }) => name === 'x_total')?.help).toBeUndefined();
  });
});

describe('a registry', () => {
  test('shares nothing with another one', () => {
    createRegistry().increment('jobs');
    expect(registry.value('jobs')).toBeUndefined();
  });
  test('asks its collectors at each snapshot, until they are taken out', () => {
    let asked = 0;
    const remove = registry.collect(() => {
      asked += 1;
      registry.gauge('asked', asked);
    });
    registry.snapshot();
    expect(registry.snapshot()).toMatchObject([{ series: [{ value: 2 }] }]);
    remove();
    registry.snapshot();
    expect(asked).toBe(2);
  });
  test('outlives a collector that throws, and counts it', () => {
    registry.collect(() => {
      throw new Error('broken');
    });
    registry.increment('jobs');
    registry.snapshot();
    expect(registry.value('monitoring_dropped', { reason: 'collector_threw' })).toBe(1);
  });
  test('waits for a collector that has to ask somebody, before it renders', async () => {
    registry.collect(async () => {
      await Promise.resolve();
      registry.gauge('depth', 7);
    });
    expect(await registry.render()).toContain('depth 7\n');
  });
  test('renders without a collector that does not answer within two seconds, and asks it once', async () => {
    const clock = fakeClock();
    const patient = createRegistry({ clock });
    let asked = 0;
    let answer: () => void = () => undefined;
    patient.collect(() => {
      asked += 1;
      return new Promise<void>((resolve) => {
        answer = resolve;
      });
    });
    patient.increment('jobs');
    const late = async (): Promise<string> => {
      const text = patient.render();
      // It loads its code first, and then begins to wait.
      await vi.waitFor(async () => {
        await clock.advance('2s');
        expect(await Promise.race([text, 'waiting'])).not.toBe('waiting');
      }, 30_000);
      return text;
    };
    expect(await late()).toContain('jobs_total 1\n');
    expect(await late()).toContain('collector_late');
    expect(asked).toBe(1);
    answer();
    await Promise.resolve();
    patient.snapshot();
    expect(asked).toBe(2);
  });
  test('outlives a collector that rejects, also in a snapshot that does not wait', async () => {
    registry.collect(async () => {
      throw new Error('broken');
    });
    registry.snapshot();
    await registry.render();
    await registry.render();
    expect(registry.value('monitoring_dropped', { reason: 'collector_threw' })).toBeGreaterThanOrEqual(2);
  });
  test('refuses a limit that is none', () => {
    for (const maxSeries of [0, 1.5, Number.NaN])
      expect(() => createRegistry({ maxSeries })).toThrow(
        expect.objectContaining({ code: 'E_MONITORING_OPTION' }),
      );
  });
});

test('past the limit a series that is there is found however its labels are ordered or spelt', () => {
  const registry = createRegistry({ maxSeries: 2 });
  registry.increment('jobs', 1, { a: 'x', b: '1' });
  registry.increment('jobs', 1, { a: 'y\uFFFD', b: '2' });
  registry.increment('jobs', 1, { b: '1', a: 'x' });
  registry.increment('jobs', 1, { b: 1, a: 'x' });
  registry.increment('jobs', 1, { b: '2', a: 'y\ud800' });
  registry.increment('jobs', 1, { a: 'new', b: '1' });
  registry.increment('jobs', 1, { a: 'x', b: '2' });
  registry.increment('jobs', 1, { 'a.b': 'x' });
  registry.increment('jobs', 1, { c: 'x' });
  expect(registry.value('jobs', { a: 'x', b: '1' })).toBe(3);
  expect(registry.value('jobs', { a: 'y\uFFFD', b: '2' })).toBe(2);
  expect(registry.value('jobs', { overflow: 'true' })).toBe(4);
  expect(registry.value('monitoring_dropped', { reason: 'series_limit' })).toBe(4);
});
