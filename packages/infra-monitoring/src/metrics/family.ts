import type { CanonicalLabels, CleanReason } from './labels.ts';
import { canonicalLabels, copied, isPlain, MAX_VALUE } from './labels.ts';
import type { MetricType, Series } from './series.ts';

/** The name a metric's samples start with. */
export const printedName = (name: string, type: MetricType): string =>
  type === 'counter' ? `${name}_total` : name;

/** What a family tells of samples it could not take as they were. */
export interface FamilyEvents {
  cleaned(reason: CleanReason): void;
  overflowed(): void;
}

/**
 * A step on the way to a series: one label name, and the next step by the value under it. Further names, for label
 * sets in another order or of another shape, hang beside the first one.
 */
interface Step {
  series: Series | undefined;
  /** True where the label set is one of those that share the overflow series. */
  isFolded: boolean;
  name: string | undefined;
  values: Map<unknown, Step> | undefined;
  others: Map<string, Map<unknown, Step>> | undefined;
}

const step = (): Step => ({
  series: undefined,
  isFolded: false,
  name: undefined,
  values: undefined,
  others: undefined,
});

/** Steps a family keeps per series: room for the orders in which an application writes its labels. */
const STEPS_PER_SERIES = 8;
/** Of label sets that are folded, the share that is remembered: what comes often is soon, and a flood costs little. */
const REMEMBERED = 1 / 256;
const OVERFLOW = canonicalLabels({ overflow: 'true' }, undefined, () => undefined);

/** All series of one metric. */
export class Family {
  readonly name: string;
  readonly type: MetricType;
  readonly series: Map<string, Series> = new Map();
  help: string | undefined;
  unit: string | undefined;
  bounds: readonly number[];
  #maxSeries: number;
  #overflowing: Series | undefined;
  #root: Step = step();
  #steps = 0;
  /** Label sets among them that are folded. */
  #folded = 0;
  /** Every label value there is, by label name; made when it is first asked for. */
  #known: Map<string, Set<string>> | undefined;
  readonly #events: FamilyEvents;

  constructor(
    name: string,
    type: MetricType,
    bounds: readonly number[],
    maxSeries: number,
    events: FamilyEvents,
  ) {
    this.name = name;
    this.type = type;
    this.bounds = bounds;
    this.#maxSeries = maxSeries;
    this.#events = events;
  }

  /** Label sets it may have. Those that were folded before may find room once it is more. */
  get maxSeries(): number {
    return this.#maxSeries;
  }

  set maxSeries(maxSeries: number) {
    this.#maxSeries = maxSeries;
    this.#forgetWays();
  }

  /**
   * The series of a label set, made when it is new. Past `maxSeries` every new label set shares one series labelled
   * `overflow="true"`.
   */
  find(labels: object | null | undefined): Series {
    let at = this.#root;
    for (const name in labels) {
      const values = at.name === name ? at.values : at.others?.get(name);
      const next = values?.get((labels as Record<string, unknown>)[name]);
      if (next === undefined) return this.#resolve(labels);
      at = next;
    }
    if (at.series !== undefined) return at.series;
    return at.isFolded ? this.#overflow() : this.#resolve(labels);
  }

  #resolve(labels: unknown): Series {
    const isFull = this.series.size >= this.#maxSeries;
    if (isFull && this.#isUnknown(labels)) return this.#fold(labels);
    const reserved = this.type === 'histogram' ? 'le' : undefined;
    const canonical = canonicalLabels(labels, reserved, this.#events.cleaned);
    const known = this.series.get(canonical.text);
    if (!known && isFull) return canonical.clean ? this.#fold(labels) : this.#overflow();
    const series = known ?? this.#add(canonical);
    if (canonical.clean) this.#stepFor(labels).series = series;
    return series;
  }

  #fold(labels: unknown): Series {
    if (Math.random() < REMEMBERED) {
      if (this.#folded >= this.#maxSeries) this.#forgetWays();
      this.#stepFor(labels).isFolded = true;
      this.#folded += 1;
    }
    return this.#overflow();
  }

  /**
   * True for a label set that surely has no series: all its names are known as they are, and one of its values is not.
   * It spares a flood of new label sets the work of being brought into their one form, to be folded all the same.
   */
  #isUnknown(labels: unknown): boolean {
    if (typeof labels !== 'object' || labels === null) return false;
    this.#known ??= valuesByName(this.series.values());
    let isUnknown = false;
    for (const name in labels) {
      const values = this.#known.get(name);
      const value = (labels as Record<string, unknown>)[name];
      if (values === undefined || typeof value !== 'string' || value === '') return false;
      if (values.has(value)) continue;
      // Another spelling of a known value would be cleaned to it.
      if (value.length > MAX_VALUE || !isPlain(value)) return false;
      isUnknown = true;
    }
    return isUnknown;
  }

  #overflow(): Series {
    this.#events.overflowed();
    this.#overflowing ??= this.series.get(OVERFLOW.text) ?? this.#add(OVERFLOW);
    return this.#overflowing;
  }

  #add({ text: joined, labels: given }: CanonicalLabels): Series {
    const text = copied(joined);
    const buckets = this.type === 'histogram' ? new Array<number>(this.bounds.length + 1).fill(0) : [];
    const labels = Object.freeze(Object.fromEntries(given.map(({ name, value }) => [name, copied(value)])));
    const series: Series = {
      metric: this.name,
      text,
      labels,
      value: 0,
      count: 0,
      min: Number.POSITIVE_INFINITY,
      max: Number.NEGATIVE_INFINITY,
      buckets,
      exemplars: undefined,
    };
    this.series.set(text, series);
    this.#known = undefined;
    return series;
  }

  /** Lays the way to a step for label sets written like this one. It starts anew when all ways take too much room. */
  #stepFor(labels: unknown): Step {
    if (this.#steps > STEPS_PER_SERIES * this.maxSeries) this.#forgetWays();
    let at = this.#root;
    if (typeof labels !== 'object' || labels === null) return at;
    for (const name in labels) {
      const values = valuesOf(at, name);
      const value = (labels as Record<string, unknown>)[name];
      let next = values.get(value);
      if (next === undefined) {
        next = step();
        values.set(typeof value === 'string' ? copied(value) : value, next);
        this.#steps += 1;
      }
      at = next;
    }
    return at;
  }

  #forgetWays(): void {
    this.#root = step();
    this.#steps = 0;
    this.#folded = 0;
  }
}

function valuesByName(all: Iterable<Series>): Map<string, Set<string>> {
  const values = new Map<string, Set<string>>();
  for (const { labels } of all)
    for (const [name, value] of Object.entries(labels)) {
      const known = values.get(name) ?? new Set();
      values.set(name, known.add(value));
    }
  return values;
}

function valuesOf(at: Step, name: string): Map<unknown, Step> {
  const known = at.name === name ? at.values : at.others?.get(name);
  if (known) return known;
  const values = new Map<unknown, Step>();
  if (at.name === undefined) {
    at.name = name;
    at.values = values;
  } else {
    at.others ??= new Map();
    at.others.set(name, values);
  }
  return values;
}
