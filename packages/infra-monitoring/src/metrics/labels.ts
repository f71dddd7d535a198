/** What distinguishes the series of one metric. `undefined`, `null` and `''` leave the label out. */
export type Labels = Readonly<Record<string, string | number | boolean | bigint | null | undefined>>;

/** Why a part of a sample was changed before it was counted. */
export type CleanReason = 'metric_name' | 'label_name' | 'label_value';

/** A label set in the one form it has, whatever order and spelling it was given in. */
export interface CanonicalLabels {
  /** As it is printed, sorted by name: `method="GET",path="/api"`. No two label sets share it. */
  readonly text: string;
  readonly labels: readonly { readonly name: string; readonly value: string }[];
  /** True when nothing had to be cleaned, so that the given values may serve as a key for next time. */
  readonly clean: boolean;
}

/** The most labels one series has. */
const MAX_LABELS = 30;
/** Longest label value, in UTF-16 units. */
export const MAX_VALUE = 256;
/** Longest name of a metric or label. */
const MAX_NAME = 200;

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
/** Two leading underscores are Prometheus's own. */
const LABEL_NAME = /^(?:[a-zA-Z]|_(?!_))[a-zA-Z0-9_]*$/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** A text of its own: one that was cut out of another, such as a request's body, keeps all of that in memory. */
export const copied = (text: string): string => JSON.parse(JSON.stringify(text)) as string;

/** At most the first `max` characters. */
export const cut = (text: string, max: number): string =>
  text.length > max ? copied(text.slice(0, max)) : text;

/** A metric name every format accepts; `undefined` when nothing usable was given. */
export function cleanMetricName(name: unknown): string | undefined {
  if (typeof name !== 'string' || name === '') return undefined;
  if (name.length <= MAX_NAME && METRIC_NAME.test(name)) return name;
  return legal(name, /[^a-zA-Z0-9_:]/g);
}

function legal(name: string, illegal: RegExp): string {
  const text = cut(name, MAX_NAME).replace(illegal, '_');
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

/** Escapes a label value as both formats want it. */
const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

interface Given {
  /** The name as the application wrote it. */
  readonly raw: string;
  readonly name: string;
  readonly value: string;
  /** The value as it is printed. */
  readonly printed: string;
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
  const given: Given[] = [];
  let isSorted = true;
  if (typeof labels === 'object' && labels !== null) {
    for (const raw in labels) {
      const value = (labels as Record<string, unknown>)[raw];
      const text = textOf(value);
      // An empty label is an absent one to Prometheus, and would make two series of one.
      if (text === undefined) {
        if (value !== '') unclean('label_value');
        continue;
      }
      const label = labelOf(raw, text, reserved);
      if (label.name !== raw) unclean('label_name');
      if (label.value !== text) unclean('label_value');
      if (given.length > 0 && label.name <= (given[given.length - 1] as Given).name) isSorted = false;
      given.push(label);
    }
  } else if (labels !== undefined && labels !== null) unclean('label_value');
  const kept = isSorted && given.length <= MAX_LABELS ? given : inOrder(given);
  for (let lost = given.length - kept.length; lost > 0; lost -= 1) unclean('label_name');
  return { text: textFor(kept), labels: kept, clean };
}

/** Printable ASCII that needs no escape: nearly every value. A loop, because these texts are short. */
export function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
  }
  return true;
}

function labelOf(raw: string, text: string, reserved: string | undefined): Given {
  const name = cleanLabelName(raw, reserved);
  if (text.length <= MAX_VALUE && isPlain(text)) return { raw, name, value: text, printed: text };
  const short = cut(text, MAX_VALUE);
  const value = LONE_SURROGATE.test(short) ? short.replace(/\p{Surrogate}/gu, '\uFFFD') : short;
  return { raw, name, value, printed: escaped(value) };
}

/** By name, each once. Where two clean to one it is by the given names, so that their order does not matter. */
function inOrder(given: readonly Given[]): Given[] {
  return [...given]
    .sort((a, b) => compare(a.name, b.name) || compare(a.raw, b.raw))
    .filter(({ name }, i, all) => i === 0 || name !== all[i - 1]?.name)
    .slice(0, MAX_LABELS);
}

function textFor(labels: readonly Given[]): string {
  let text = '';
  for (const { name, printed } of labels) text += `${text === '' ? '' : ','}${name}="${printed}"`;
  return text;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
