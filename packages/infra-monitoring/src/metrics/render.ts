import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Family } from './family.ts';
import { printedName } from './family.ts';
import type { Exemplar, Series } from './series.ts';

/** `prometheus` is its text format 0.0.4, `openmetrics` is OpenMetrics 1.0. */
export type MetricsFormat = 'prometheus' | 'openmetrics';

/** The Content-Type of each format. Prometheus 3 refuses a scrape without the right one. */
export const CONTENT_TYPES: Readonly<Record<MetricsFormat, string>> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** Longest stretch of rendering before the event loop gets its turn, in milliseconds. */
const SLICE = 2;
/** Characters in a chunk: a text over 128 KiB lies where V8 does not move it about when it collects garbage. */
const CHUNK = 192 * 1024;

/** Renders families piece by piece, yielding to the event loop in between. */
export async function* renderChunks(
  all: Iterable<Family>,
  format: MetricsFormat,
): AsyncGenerator<string, void, undefined> {
  // Joined, not added up: V8 keeps a sum as a tree of its parts, and a large one of those holds the loop when garbage
  // is collected.
  let parts: string[] = [];
  let length = 0;
  let sliceStart = performance.now();
  for (const family of all) {
    if (family.series.size === 0) continue;
    parts.push(headOf(family, format));
    const line = family.type === 'histogram' ? histogramPrinter(family, format) : valuePrinter(family);
    for (const series of family.series.values()) {
      const text = line(series);
      parts.push(text);
      length += text.length;
      if (length < CHUNK) continue;
      yield parts.join('');
      parts = [];
      length = 0;
      if (performance.now() - sliceStart < SLICE) continue;
      await nextTurn();
      sliceStart = performance.now();
    }
  }
  if (format === 'openmetrics') parts.push('# EOF\n');
  if (parts.length > 0) yield parts.join('');
}

function headOf({ name, type, help, unit }: Family, format: MetricsFormat): string {
  const open = format === 'openmetrics';
  // Prometheus's own format calls a counter by the name of its samples, OpenMetrics by the name without `_total`.
  const family = open ? name : printedName(name, type);
  let head = '';
  if (help !== undefined) head += `# HELP ${family} ${escapeHelp(help, open)}\n`;
  head += `# TYPE ${family} ${type}\n`;
  const suffix = unit && [unit, unit === 'milliseconds' ? 'ms' : ''].find((u) => u && name.endsWith(`_${u}`));
  if (open && suffix) head += `# UNIT ${family} ${suffix}\n`;
  return head;
}

function escapeHelp(help: string, open: boolean): string {
  const text = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return open ? text.replaceAll('"', '\\"') : text;
}

function valuePrinter({ name, type }: Family): (series: Series) => string {
  const printed = printedName(name, type);
  return ({ text, value }) =>
    text === '' ? `${printed} ${numberText(value)}\n` : `${printed}{${text}} ${numberText(value)}\n`;
}

function histogramPrinter({ name, bounds }: Family, format: MetricsFormat): (series: Series) => string {
  const les = [...bounds.map(boundText), '+Inf'].map((le) => `le="${le}"} `);
  // OpenMetrics §5.2.2: with negative bounds there is neither a sum nor a count.
  const totals = format === 'prometheus' || !((bounds[0] ?? 0) < 0);
  return ({ text, value, count, buckets, exemplars }) => {
    const start = text === '' ? `${name}_bucket{` : `${name}_bucket{${text},`;
    let lines = '';
    let sum = 0;
    for (let i = 0; i < les.length; i += 1) {
      sum += buckets[i] ?? 0;
      const exemplar = exemplars?.[i];
      lines +=
        exemplar !== undefined && format === 'openmetrics'
          ? `${start}${les[i]}${sum}${exemplarText(exemplar)}\n`
          : `${start}${les[i]}${sum}\n`;
    }
    if (!totals) return lines;
    const labels = text === '' ? '' : `{${text}}`;
    return `${lines}${name}_sum${labels} ${numberText(value)}\n${name}_count${labels} ${count}\n`;
  };
}

const exemplarText = ({ traceId, spanId, value, time }: Exemplar): string =>
  ` # {trace_id="${traceId}",span_id="${spanId}"} ${numberText(value)} ${(time / 1000).toFixed(3)}`;

/** One spelling in both formats, OpenMetrics' canonical one: another `le` would be another series. */
const boundText = (bound: number): string =>
  Number.isInteger(bound) && Math.abs(bound) < 1e21 ? `${bound}.0` : String(bound);

/** Sums of finite numbers can still be infinite. */
function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
