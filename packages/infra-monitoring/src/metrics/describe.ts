import { log } from '../core.ts';
import { MetricDescriptionError, wholeNumber } from '../errors.ts';
import type { Families } from './families.ts';
import type { Family, MetricType } from './family.ts';

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
export function inferBuckets(name: string): readonly number[] {
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
