import { log } from '../core.ts';
import { inferBuckets, unitOf } from './describe.ts';
import { Family, type MetricType, type SampledSeries, type Series } from './family.ts';
import { type CleanReason, cleanMetricName } from './labels.ts';

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
  | 'span_evicted'
  | 'span_abandoned'
  | 'exporter_threw'
  | 'statsd_unsent'
  | 'statsd_oversize'
  | 'otlp_queue_full'
  | 'otlp_unsent'
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
