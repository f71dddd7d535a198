import type { Clock } from '@vibeonrails/infra-core';
import { isThenable, systemClock, timerOn } from './core.ts';
import { wholeNumber } from './errors.ts';
import { type Families, families } from './metrics/families.ts';
import {
  type Exemplar,
  type Family,
  printedName,
  type SampledSeries,
  type Series,
} from './metrics/family.ts';
import { canonicalLabels, type Labels } from './metrics/labels.ts';
import { type Metrics, recorder } from './metrics/recorder.ts';
import type { MetricsFormat } from './metrics/render.ts';

/** How a {@link Registry} is made. */
export interface RegistryOptions {
  /** Label sets a metric may have; all further ones share one series labelled `overflow="true"`. @default 1000 */
  maxSeries?: number;
  /** Metrics it may hold; samples of further names are dropped. @default 2000 */
  maxMetrics?: number;
  /** @default the machine's clock, in fractions of a millisecond */
  clock?: Clock;
}

/** One label set of a counter or gauge. */
export interface ValueSnapshot {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One label set of a histogram. */
export interface HistogramSnapshot {
  readonly labels: Readonly<Record<string, string>>;
  readonly count: number;
  readonly sum: number;
  /** The smallest sample. */
  readonly min: number;
  /** The largest sample. */
  readonly max: number;
  /** Samples up to and including each bound; the last bound is `Infinity`, and its count is `count`. */
  readonly buckets: readonly BucketSnapshot[];
}

/** One bucket of a histogram. */
export interface BucketSnapshot {
  readonly le: number;
  readonly count: number;
  /** A sample of this bucket alone that was taken inside a recorded span. */
  readonly exemplar?: Exemplar;
}

interface MetricHead {
  /** As printed: a counter's name ends in `_total`. */
  readonly name: string;
  readonly help?: string;
  readonly unit?: string;
}

/** A metric at one moment, as plain data. Values are cumulative since the start. */
export type MetricSnapshot =
  | (MetricHead & { readonly type: 'counter' | 'gauge'; readonly series: readonly ValueSnapshot[] })
  | (MetricHead & { readonly type: 'histogram'; readonly series: readonly HistogramSnapshot[] });

/** A set of metrics of its own. */
export interface Registry extends Metrics {
  /**
   * Runs `read` before each scrape and snapshot, to record what is only known by asking. A scrape waits two seconds at
   * most for what it returns, a snapshot does not wait. The returned function ends it.
   */
  collect(read: () => unknown): () => void;
  /** Calls `take` with each sample of a histogram as it is recorded; it must be quick. The returned function ends it. */
  onSample(take: (series: SampledSeries, value: number) => void): () => void;
  /** Counts something the application's monitoring lost, in `monitoring_dropped_total{reason}`. */
  drop: Families['drop'];
  /** Every metric as plain data. */
  snapshot(): MetricSnapshot[];
  /** The value of one series: a counter's or gauge's value, a histogram's number of samples. */
  value(name: string, labels?: Labels): number | undefined;
  /** The text a scraper reads. @default format 'prometheus' */
  render(options?: { format?: MetricsFormat }): Promise<string>;
  /** The same in pieces; the event loop runs in between. */
  chunks(format: MetricsFormat): AsyncGenerator<string, void, undefined>;
}

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
      const metrics = [...all.all()].filter(({ series }) => series.size > 0).map(snapshotOf);
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

/** A family as plain data. */
function snapshotOf(family: Family): MetricSnapshot {
  const head = {
    name: printedName(family.name, family.type),
    ...(family.help === undefined ? {} : { help: family.help }),
    ...(family.unit === undefined ? {} : { unit: family.unit }),
  };
  const all = [...family.series.values()];
  if (family.type === 'histogram')
    return { ...head, type: 'histogram', series: all.map((series) => histogramOf(family, series)) };
  return {
    ...head,
    type: family.type,
    series: all.map(({ labels, value }) => ({ labels, value })),
  };
}

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
