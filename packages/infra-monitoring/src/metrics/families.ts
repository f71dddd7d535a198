import { log } from '../core.ts';
import { MetricDescriptionError, wholeNumber } from '../errors.ts';
import { Family } from './family.ts';
import { type CleanReason, cleanMetricName } from './labels.ts';
import type { MetricType, SampledSeries, Series } from './series.ts';

/** Why a sample or span was dropped. */
export type DropReason =
  | 'name'
  | 'not_finite'
  | 'negative'
  | 'type_conflict'
  | 'series_limit'
  | 'metric_limit'
  | 'threw'
  | 'collector_threw'
  | 'collector_late'
  | 'span_evicted'
  | 'span_abandoned'
  | 'exporter_threw'
  | 'statsd_unsent'
  | 'statsd_oversize'
  | 'otlp_queue_full'
  | 'otlp_unsent'
  | 'otlp_metrics_unsent'
  | 'otlp_rejected';

/** How {@link families} is made. */
export interface FamiliesOptions {
  readonly maxSeries: number;
  readonly maxMetrics: number;
}

/** The metrics of a registry by name, and the count of what they could not take. */
export interface Families {
  /** The family a sample of this name belongs to, made when new; `undefined` when it has none, which is counted. */
  of(name: unknown, type: MetricType): Family | undefined;
  /** Counts samples or spans that were dropped. @default count 1 */
  drop(reason: DropReason, count?: number): void;
  /** How often exemplars were read: each bucket keeps the first one since. */
  readings: number;
  /** Takes each sample of a histogram, where somebody wants them. */
  onSample: ((series: SampledSeries, value: number) => void) | undefined;
  /** Counts a sample of another type than its metric, and says so once a metric. */
  conflict(name: unknown, wanted: string, owner: Family): void;
  /** Every family, in the order they were made. */
  all(): Iterable<Family>;
}

const MAX_WARNINGS = 100;

/** Names that a metric takes in a scrape, so that no other metric may. */
function takenBy(type: MetricType, base: string): string[] {
  if (type === 'gauge') return [base];
  if (type === 'counter') return [base, `${base}_total`, `${base}_created`];
  return [base, `${base}_bucket`, `${base}_sum`, `${base}_count`, `${base}_created`];
}

/** A counter is printed with `_total` in every format, so that is no part of its name. */
function baseName(name: string, type: MetricType): string {
  return type === 'counter' && /._total$/.test(name) ? name.slice(0, -'_total'.length) : name;
}

/** Makes the {@link Families} of a registry. */
export function families({ maxSeries, maxMetrics }: FamiliesOptions): Families {
  const made: Family[] = [];
  /** By every name a scrape would show. */
  const owners = new Map<string, Family>();
  /** By the name as the application wrote it. */
  const byGiven = new Map<string, Family>();
  const warned = new Set<string>();

  const add = (base: string, type: MetricType): Family => {
    const family = new Family(base, type, inferBuckets(base), maxSeries, {
      cleaned: (reason) => count(cleaned, reason),
      overflowed: () => count(dropped, 'series_limit'),
    });
    family.unit = unitOf(base);
    made.push(family);
    for (const name of takenBy(type, base)) owners.set(name, family);
    return family;
  };
  /** Kept at hand, because a flood of what is dropped must cost little. */
  const tallies = new Map<DropReason | CleanReason, Series>();
  const count = (family: Family, reason: DropReason | CleanReason, by = 1): void => {
    let tally = tallies.get(reason);
    if (tally === undefined) {
      tally = family.find({ reason });
      tallies.set(reason, tally);
    }
    tally.value += by;
  };
  const cleaned = add('monitoring_cleaned', 'counter');
  cleaned.help = 'Parts of metric samples that were changed or left out because no format accepts them.';
  const dropped = add('monitoring_dropped', 'counter');
  dropped.help = 'Metric samples and spans that were dropped or folded together, by reason.';
  const own = made.length;

  const conflict = (name: unknown, wanted: string, owner: Family): void => {
    count(dropped, 'type_conflict');
    const metric = String(name).slice(0, 200);
    if (warned.size >= MAX_WARNINGS || warned.has(metric)) return;
    warned.add(metric);
    log.warn(
      { metric, wanted, owner: owner.name, type: owner.type },
      `"${metric}" cannot be used as a ${wanted}: the name belongs to the ${owner.type} "${owner.name}". ` +
        'Its samples are dropped. Give one of them another name, or settle the type with describe().',
    );
  };

  const resolve = (name: unknown, type: MetricType): Family | undefined => {
    const safe = cleanMetricName(name);
    if (safe === undefined) {
      count(dropped, 'name');
      return undefined;
    }
    const base = baseName(safe, type);
    const known = owners.get(base);
    let family = known?.name === base ? known : undefined;
    // A gauge may be called `jobs_total`: then that is what the name means.
    if (!family && base !== safe && owners.get(safe)?.name === safe) family = owners.get(safe);
    if (!family) {
      const owner = takenBy(type, base).flatMap((taken) => owners.get(taken) ?? [])[0];
      if (owner) {
        conflict(name, type, owner);
        return undefined;
      }
      if (made.length - own >= maxMetrics) {
        count(dropped, 'metric_limit');
        return undefined;
      }
      family = add(base, type);
    }
    const isAlias = typeof name === 'string' && name.length <= 1000 && byGiven.size < 2 * maxMetrics;
    if (safe !== name) count(cleaned, 'metric_name');
    if (isAlias) byGiven.set(name, family);
    return family;
  };

  return {
    of: (name, type) => byGiven.get(name as string) ?? resolve(name, type),
    drop: (reason, by) => count(dropped, reason, by),
    readings: 0,
    onSample: undefined,
    conflict,
    all: () => made,
  };
}

/** The unit a metric's name ends in, where it is one that buckets are known for. */
export type Unit = 'milliseconds' | 'seconds' | 'bytes';

const MILLISECONDS = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BYTES = Array.from({ length: 11 }, (_, power) => 256 * 4 ** power);
const PLAIN = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/** The unit in a name: `response_time_ms`, `upload_bytes`. */
export function unitOf(name: string): Unit | undefined {
  if (typeof name !== 'string') return undefined;
  if (/_(ms|milliseconds)$/.test(name)) return 'milliseconds';
  if (/_(s|seconds)$/.test(name)) return 'seconds';
  return /_bytes$/.test(name) ? 'bytes' : undefined;
}

/** Upper bounds that fit a metric of this name: 5 ms to 10 s, 256 bytes to 256 MiB, else 1 to 10,000. */
function inferBuckets(name: string): readonly number[] {
  switch (unitOf(name)) {
    case 'milliseconds':
      return MILLISECONDS;
    case 'seconds':
      return SECONDS;
    case 'bytes':
      return BYTES;
    default:
      return PLAIN;
  }
}

/** What a metric is, beyond what its name says. */
export interface MetricDescription {
  readonly type: MetricType;
  /** One sentence, shown beside it in a scrape. */
  readonly help?: string;
  /** @default inferred from the end of the name: `_ms`, `_seconds`, `_bytes` */
  readonly unit?: string;
  /** Upper bounds of a histogram's buckets, increasing. @default by unit: 5 ms to 10 s, 256 bytes to 256 MiB, else 1 to 10,000 */
  readonly buckets?: readonly number[];
  /** Label sets it may have. @default the registry's */
  readonly maxSeries?: number;
}

const TYPES: readonly unknown[] = ['counter', 'gauge', 'histogram'];

/** Applies a description to the metric called `name`. */
export function describe(all: Families, name: string, description: MetricDescription): void {
  const { type, help, unit, buckets, maxSeries } = description;
  if (!TYPES.includes(type))
    throw new MetricDescriptionError(
      name,
      `${JSON.stringify(type)} is no type`,
      "Use 'counter', 'gauge' or 'histogram'.",
    );
  if (typeof name !== 'string' || name === '')
    throw new MetricDescriptionError(name, 'it has no name', "Give a name such as 'http_requests'.");
  if (buckets && type !== 'histogram')
    throw new MetricDescriptionError(name, `a ${type} has no buckets`, "Use them with type 'histogram'.");
  if (buckets && !isIncreasing(buckets))
    throw new MetricDescriptionError(
      name,
      'its buckets do not increase',
      'Give one or more finite upper bounds, each greater than the one before; +Inf comes by itself.',
    );
  if (maxSeries !== undefined) wholeNumber('maxSeries', maxSeries);
  const family = all.of(name, type);
  if (!family) return;
  if (family.type !== type) {
    all.conflict(name, type, family);
    return;
  }
  if (help !== undefined) family.help = String(help);
  if (unit !== undefined) family.unit = String(unit);
  if (maxSeries !== undefined) family.maxSeries = maxSeries;
  if (buckets) setBuckets(family, buckets);
}

const isIncreasing = (bounds: readonly number[]): boolean =>
  bounds.length > 0 &&
  bounds.every((bound, i) => Number.isFinite(bound) && (i === 0 || bound > (bounds[i - 1] as number)));

/** Samples already counted cannot be counted anew, so buckets hold once there are any. */
function setBuckets(family: Family, buckets: readonly number[]): void {
  if (family.bounds.join() === buckets.join()) return;
  if (family.series.size === 0) family.bounds = [...buckets];
  else
    log.warn(
      { metric: family.name },
      `"${family.name}" keeps its buckets: it has samples already. Call describe() before the first one.`,
    );
}
