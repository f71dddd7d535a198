import type { SampledSeries } from '../metrics/series.ts';
import type { StatsdDialect } from './options.ts';

/** What one series is written with. */
export interface SeriesName {
  /** What stands before the first colon. */
  readonly start: string;
  /** What stands after the type and the rate: the tags. */
  readonly end: string;
}

/** Longest tag, in UTF-16 units, as Datadog has it. */
const MAX_TAG = 200;

/** Writes the names of series in a dialect. */
export function seriesNames(
  dialect: StatsdDialect,
  prefix: string,
  tags: Readonly<Record<string, string>>,
): (name: string, labels: SampledSeries['labels']) => SeriesName {
  const before = prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`;
  return (name, labels) => {
    // Metrics are clean already, but for the colon, which ends a name here.
    const base = before + name.replaceAll(':', '_');
    const all = Object.entries({ ...tags, ...labels });
    if (dialect === 'datadog') {
      const text = all.map(([key, value]) => tag(key, value)).join(',');
      return { start: base, end: text === '' ? '' : `|#${text}` };
    }
    return {
      start: all.reduce((path, [key, value]) => `${path}.${node(key)}.${node(value)}`, base),
      end: '',
    };
  };
}

const tag = (key: string, value: string): string =>
  `${key.replaceAll(':', '_')}:${value}`.slice(0, MAX_TAG).replace(/[\p{Cc}\p{Surrogate}|,@#]/gu, '_');

/** A step of a plain name: letters, digits, `_` and `-`, since all else has a meaning to one server or another. */
const node = (text: string): string => text.replace(/[^a-zA-Z0-9_-]/g, '_');

/** A finite number without an exponent, which not every server reads. */
export function decimal(value: number): string {
  const text = String(value);
  if (!text.includes('e')) return text;
  if (Math.abs(value) >= 1) return BigInt(value).toString();
  return value
    .toFixed(20)
    .replace(/\.?0+$/, '')
    .replace(/^-0$/, '0');
}

/** A line, or lines that must stay together and in this order; and what its delivery means. */
export interface StatsdEntry {
  readonly text: string;
  /** Called when it was handed over, or when it was not. */
  settle(sent: boolean): void;
}

/** Entries that fit one packet, newlines between them. */
export interface Packet {
  text: string;
  bytes: number;
  readonly entries: StatsdEntry[];
}

/**
 * Packs entries into packets of at most `max` bytes. One that fits none goes to `tooLarge`. An `undefined` among them is
 * handed on: a moment to let others have their turn.
 */
export function* pack(
  entries: Iterable<StatsdEntry | undefined>,
  max: number,
  tooLarge: (entry: StatsdEntry) => void,
): Generator<Packet | undefined, void, undefined> {
  let open: Packet | undefined;
  for (const entry of entries) {
    if (entry === undefined) {
      yield undefined;
      continue;
    }
    const bytes = Buffer.byteLength(entry.text);
    if (bytes > max) tooLarge(entry);
    else if (open === undefined || open.bytes + 1 + bytes > max) {
      if (open !== undefined) yield open;
      open = { text: entry.text, bytes, entries: [entry] };
    } else {
      open.text += `\n${entry.text}`;
      open.bytes += 1 + bytes;
      open.entries.push(entry);
    }
  }
  if (open !== undefined) yield open;
}
