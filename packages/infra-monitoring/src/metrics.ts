import type { Clock } from '@vibeonrails/infra-core';
import { isThenable, systemClock, timerOn } from './core.ts';
import { wholeNumber } from './errors.ts';
import { type Families, families } from './metrics/families.ts';
import { type Family, printedName } from './metrics/family.ts';
import { canonicalLabels, type Labels } from './metrics/labels.ts';
import { recorder } from './metrics/recorder.ts';
import type {
  HistogramSnapshot,
  MetricSnapshot,
  Registry,
  RegistryOptions,
  ValueSnapshot,
} from './metrics/registry.ts';
import type { MetricsFormat } from './metrics/render.ts';
import type { Series } from './metrics/series.ts';

/**
 * Makes a registry.
 *
 * @throws {@link MonitoringOptionError} `E_MONITORING_OPTION` for a limit that is no whole number of 1 or more.
 */
export function createRegistry(options: RegistryOptions = {}): Registry {
  const { maxSeries = 1000, maxMetrics = 2000, clock = systemClock } = options;
  wholeNumber('maxSeries', maxSeries);
  wholeNumber('maxMetrics', maxMetrics);
  const all = families({ maxSeries, maxMetrics });
  const { collect, collectAll } = collecting(all.drop, clock);
  const takers = new Set<NonNullable<Families['onSample']>>();
  /** Nobody costs nothing, and one taker, the usual number, one call. */
  const tellTakers = (): void => {
    const [first, ...others] = takers;
    all.onSample =
      others.length === 0
        ? first
        : (series, value) => {
            for (const take of takers) take(series, value);
          };
  };

  async function* chunks(format: MetricsFormat): AsyncGenerator<string, void, undefined> {
    const { renderChunks } = await import('./metrics/render.ts');
    await collectAll();
    yield* renderChunks(all.all(), format);
    if (format === 'openmetrics') all.readings += 1;
  }

  return {
    ...recorder(all, timerOn(clock)),
    drop: all.drop,
    onSample(take) {
      takers.add(take);
      tellTakers();
      return () => {
        takers.delete(take);
        tellTakers();
      };
    },
    collect,
    snapshot() {
      void collectAll();
      const metrics = [...all.all()]
        .filter(({ series }) => series.size > 0)
        .map((family) => snapshotOf(family, [...family.series.values()].map(readerOf(family))));
      all.readings += 1;
      return metrics;
    },
    async snapshotInSlices() {
      void collectAll();
      const metrics = await readInSlices(all.all());
      all.readings += 1;
      return metrics;
    },
    value: (name, labels) => valueIn(all, name, labels),
    chunks,
    async render({ format = 'prometheus' } = {}) {
      let text = '';
      for await (const chunk of chunks(format)) text += chunk;
      return text;
    },
  };
}

/** How long a scrape waits for collectors, in milliseconds: Prometheus gives up after ten seconds. */
const COLLECT_FOR = 2000;

interface Collecting {
  readonly collect: Registry['collect'];
  /** Runs them all; settles when they are done, or their time is up. Never rejects. */
  collectAll(): Promise<void> | undefined;
}

function collecting(drop: Families['drop'], clock: Clock): Collecting {
  const collectors = new Set<() => unknown>();
  /** Those not done yet: they are not asked again meanwhile. */
  const underWay = new Map<() => unknown, Promise<void>>();

  const run = (read: () => unknown): void => {
    if (underWay.has(read)) return;
    try {
      const result = read();
      if (!isThenable(result)) return;
      const done = Promise.resolve(result).then(
        () => void underWay.delete(read),
        () => {
          underWay.delete(read);
          drop('collector_threw');
        },
      );
      underWay.set(read, done);
    } catch {
      drop('collector_threw');
    }
  };
  const wait = async (): Promise<void> => {
    let cancel: (() => void) | undefined;
    const late = new Promise<'late'>((resolve) => {
      cancel = clock.after(COLLECT_FOR, () => resolve('late'));
    });
    const outcome = await Promise.race([Promise.all(underWay.values()), late]);
    cancel?.();
    if (outcome === 'late') drop('collector_late', underWay.size);
  };
  return {
    collect(read) {
      collectors.add(read);
      return () => {
        collectors.delete(read);
      };
    },
    collectAll() {
      for (const read of collectors) run(read);
      return underWay.size > 0 ? wait() : undefined;
    },
  };
}

function valueIn(all: Families, name: string, labels?: Labels): number | undefined {
  for (const family of all.all()) {
    if (family.name !== name && !(family.type === 'counter' && `${family.name}_total` === name)) continue;
    const reserved = family.type === 'histogram' ? 'le' : undefined;
    const series = family.series.get(canonicalLabels(labels, reserved, () => undefined).text);
    return family.type === 'histogram' ? series?.count : series?.value;
  }
  return undefined;
}

/** Longest stretch of reading before the event loop gets its turn, in milliseconds. */
const SLICE = 2;

async function readInSlices(all: Iterable<Family>): Promise<MetricSnapshot[]> {
  const metrics: MetricSnapshot[] = [];
  let sliceStart = performance.now();
  for (const family of all) {
    if (family.series.size === 0) continue;
    const read = readerOf(family);
    const series: SeriesSnapshot[] = [];
    for (const one of family.series.values()) {
      series.push(read(one));
      if (series.length % 64 !== 0 || performance.now() - sliceStart < SLICE) continue;
      await new Promise((resolve) => setImmediate(resolve));
      sliceStart = performance.now();
    }
    metrics.push(snapshotOf(family, series));
  }
  return metrics;
}

type SeriesSnapshot = ValueSnapshot | HistogramSnapshot;

/** A family as plain data, given its series as such. */
const snapshotOf = ({ name, type, help, unit }: Family, series: SeriesSnapshot[]): MetricSnapshot =>
  ({
    name: printedName(name, type),
    ...(help === undefined ? {} : { help }),
    ...(unit === undefined ? {} : { unit }),
    type,
    series,
  }) as MetricSnapshot;

const readerOf = (family: Family): ((series: Series) => SeriesSnapshot) =>
  family.type === 'histogram'
    ? (series) => histogramOf(family, series)
    : ({ labels, value }) => ({ labels, value });

function histogramOf(
  family: Family,
  { labels, count, value, min, max, buckets, exemplars }: Series,
): HistogramSnapshot {
  let sum = 0;
  return {
    labels,
    count,
    sum: value,
    min,
    max,
    buckets: buckets.map((inside, i) => {
      sum += inside;
      const le = family.bounds[i] ?? Number.POSITIVE_INFINITY;
      const kept = exemplars?.[i];
      if (kept === undefined) return { le, count: sum };
      const { reading: _, ...exemplar } = kept;
      return { le, count: sum, exemplar };
    }),
  };
}
