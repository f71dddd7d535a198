/** What distinguishes the series of one metric. `undefined`, `null` and `''` leave the label out. */
export type Labels = Readonly<Record<string, string | number | boolean | bigint | null | undefined>>;

/** Why a part of a sample was changed before it was counted. */
export type CleanReason = 'metric_name' | 'label_name' | 'label_value';

/** A label set in the one form it has, whatever order and spelling it was given in. */
export interface CanonicalLabels {
  /** As it is printed, sorted by name: `method="GET",path="/api"`. No two label sets share it. */
  readonly text: string;
  readonly pairs: readonly (readonly [name: string, value: string])[];
  /** True when nothing had to be cleaned, so that the given values may serve as a key for next time. */
  readonly clean: boolean;
}

/** The most labels one series has. */
const MAX_LABELS = 30;
/** Longest label value, in UTF-16 units. */
const MAX_VALUE = 256;
/** Longest name of a metric or label. */
const MAX_NAME = 200;

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
// Two leading underscores are Prometheus's own.
const LABEL_NAME = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** A metric name every format accepts; `undefined` when nothing usable was given. */
export function cleanMetricName(name: unknown): string | undefined {
  if (typeof name !== 'string' || name === '') return undefined;
  if (name.length <= MAX_NAME && METRIC_NAME.test(name)) return name;
  return legal(name, /[^a-zA-Z0-9_:]/g);
}

function legal(name: string, illegal: RegExp): string {
  const text = name.slice(0, MAX_NAME).replace(illegal, '_');
  return /^[0-9]/.test(text) ? `_${text}` : text;
}

/** A label name every format accepts. `le` belongs to histograms alone. */
function cleanLabelName(name: string, reserved: string | undefined): string {
  if (name === reserved) return `exported_${name}`;
  if (name.length <= MAX_NAME && LABEL_NAME.test(name)) return name;
  return legal(name, /[^a-zA-Z0-9_]/g).replace(/^_{2,}/, '_') || '_';
}

/** Text of a label value, or `undefined` to leave the label out. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value);
  return undefined;
}

function cleanValue(text: string): string {
  const short = text.length > MAX_VALUE ? text.slice(0, MAX_VALUE) : text;
  return LONE_SURROGATE.test(short) ? short.replace(/\p{Surrogate}/gu, '\uFFFD') : short;
}

/** Escapes a label value as both formats want it. */
export function escapeValue(value: string): string {
  if (!/["\\\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/**
 * Brings labels into their one form. Calls `cleaned` for each part it had to change or leave out.
 *
 * @param reserved a label name the caller may not use.
 */
export function canonicalLabels(
  labels: unknown,
  reserved: string | undefined,
  cleaned: (reason: CleanReason) => void,
): CanonicalLabels {
  let clean = true;
  const unclean = (reason: CleanReason): void => {
    clean = false;
    cleaned(reason);
  };
  const given: [name: string, value: string, raw: string][] = [];
  if (typeof labels === 'object' && labels !== null) {
    for (const raw in labels) {
      const value = (labels as Record<string, unknown>)[raw];
      const text = textOf(value);
      // An empty label is an absent one to Prometheus, and would make two series of one.
      if (text === undefined) {
        if (value === '') clean = false;
        else unclean('label_value');
        continue;
      }
      const name = cleanLabelName(raw, reserved);
      if (name !== raw) unclean('label_name');
      const safe = cleanValue(text);
      if (safe !== text) unclean('label_value');
      given.push([name, safe, raw]);
    }
  } else if (labels !== undefined && labels !== null) unclean('label_value');
  // By the given name where two clean to one, so that the order they came in does not matter.
  given.sort((a, b) => compare(a[0], b[0]) || compare(a[2], b[2]));
  const kept = given.filter(([name], i) => i === 0 || name !== given[i - 1]?.[0]);
  for (let lost = given.length - Math.min(kept.length, MAX_LABELS); lost > 0; lost -= 1)
    unclean('label_name');
  const pairs = kept.slice(0, MAX_LABELS).map(([name, value]) => [name, value] as const);
  return { text: pairs.map(([name, value]) => `${name}="${escapeValue(value)}"`).join(','), pairs, clean };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
