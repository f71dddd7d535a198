/** One line of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
  readonly exemplar?: {
    readonly labels: ReadonlyMap<string, string>;
    readonly value: number;
    readonly time: number;
  };
}

/** One metric of a scrape. */
export interface ScrapedFamily {
  readonly name: string;
  readonly type: string;
  readonly help?: string;
  readonly unit?: string;
  readonly samples: Sample[];
}

const METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*/;
const VALUE = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$/;

/** The endings of the samples each type may have. */
const ENDINGS: Record<string, Record<string, readonly string[]>> = {
  prometheus: { counter: [''], gauge: [''], histogram: ['_bucket', '_sum', '_count'] },
  openmetrics: { counter: ['_total'], gauge: [''], histogram: ['_bucket', '_sum', '_count'] },
};

/**
 * A strict reader of Prometheus text 0.0.4 and OpenMetrics 1.0 that shares nothing with the writer: it throws on
 * whatever a real scraper might refuse.
 */
export function parseScrape(text: string, format: 'prometheus' | 'openmetrics'): ScrapedFamily[] {
  const lines = text.split('\n');
  if (text !== '' && lines.pop() !== '') throw new Error('the last line has no line feed');
  if (text === '') lines.pop();
  if (format === 'openmetrics' && lines.pop() !== '# EOF') throw new Error('no # EOF at the end');
  const families: ScrapedFamily[] = [];
  const seen = new Set<string>();
  let head: { name?: string; help?: string; unit?: string } = {};
  for (const line of lines) {
    const comment = /^# (HELP|TYPE|UNIT) (\S+) ?(.*)$/.exec(line);
    if (comment) {
      const [, keyword, name = '', rest = ''] = comment;
      if (METRIC.exec(name)?.[0] !== name) throw new Error(`a bad metric name: ${line}`);
      if (keyword === 'HELP') head = { name, help: unescaped(rest) };
      else if (keyword === 'UNIT') {
        const last = families.at(-1);
        if (last?.name !== name || last.samples.length > 0 || !name.endsWith(`_${rest}`))
          throw new Error(`a unit that does not fit: ${line}`);
        families[families.length - 1] = { ...last, unit: rest };
      } else {
        if (head.name !== undefined && head.name !== name)
          throw new Error(`help of another metric before ${line}`);
        if (families.some((family) => family.name === name)) throw new Error(`a second ${line}`);
        if (!ENDINGS[format]?.[rest]) throw new Error(`a bad type: ${line}`);
        families.push({
          name,
          type: rest,
          samples: [],
          ...(head.help === undefined ? {} : { help: head.help }),
        });
        head = {};
      }
      continue;
    }
    const family = families.at(-1);
    const sample = parseSample(line, format);
    const ending = ENDINGS[format]?.[family?.type ?? '']?.find(
      (end) => sample.name === `${family?.name}${end}`,
    );
    if (!family || ending === undefined) throw new Error(`a sample outside its metric: ${line}`);
    const id = `${sample.name} ${JSON.stringify([...sample.labels].sort())}`;
    if (seen.has(id)) throw new Error(`a second sample of one series: ${line}`);
    seen.add(id);
    family.samples.push(sample);
  }
  for (const family of families) if (family.type === 'histogram') checkHistogram(family);
  return families;
}

function parseSample(line: string, format: string): Sample {
  const name = METRIC.exec(line)?.[0];
  if (!name) throw new Error(`no metric name: ${line}`);
  const { labels, end } = parseLabels(line, name.length);
  const [value = '', ...rest] = line.slice(end + 1).split(' ');
  if (line[end] !== ' ' || !VALUE.test(value)) throw new Error(`a bad value: ${line}`);
  const sample = { name, labels, value: numberOf(value) };
  return rest.length === 0 ? sample : { ...sample, exemplar: parseExemplar(line, format) };
}

const numberOf = (text: string): number => Number(text.replace('Inf', 'Infinity'));

/** OpenMetrics §4.6.1: on buckets and counters alone, with labels of 128 characters together at most. */
function parseExemplar(line: string, format: string): NonNullable<Sample['exemplar']> {
  const start = line.lastIndexOf(' # {');
  if (format !== 'openmetrics' || start < 0 || !/^\w+(_bucket|_total)[ {]/.test(line))
    throw new Error(`more than a value: ${line}`);
  const { labels, end } = parseLabels(line, start + 3);
  const [value = '', time = '', ...rest] = line.slice(end + 1).split(' ');
  if (!VALUE.test(value) || !/^\d+(\.\d+)?$/.test(time) || rest.length > 0)
    throw new Error(`a bad exemplar: ${line}`);
  if ([...labels].flat().join('').length > 128) throw new Error(`an exemplar that is too long: ${line}`);
  return { labels, value: numberOf(value), time: Number(time) };
}

function parseLabels(line: string, start: number): { labels: Map<string, string>; end: number } {
  const labels = new Map<string, string>();
  let at = start;
  if (line[at] === '{') {
    at += 1;
    while (line[at] !== '}') {
      const label = LABEL.exec(line.slice(at))?.[0];
      if (!label || label.startsWith('__') || line.slice(at + label.length, at + label.length + 2) !== '="')
        throw new Error(`a bad label: ${line}`);
      at += label.length + 2;
      let raw = '';
      while (line[at] !== '"') {
        if (at >= line.length) throw new Error(`a label value without an end: ${line}`);
        raw += line[at] === '\\' ? `\\${line[at + 1]}` : line[at];
        at += line[at] === '\\' ? 2 : 1;
      }
      at += 1;
      if (labels.has(label)) throw new Error(`a label twice: ${line}`);
      labels.set(label, unescaped(raw));
      if (line[at] === ',') at += 1;
      else if (line[at] !== '}') throw new Error(`no comma between labels: ${line}`);
    }
    at += 1;
  }
  return { labels, end: at };
}

function unescaped(text: string): string {
  return text.replace(/\\(.?)/gs, (_, next: string) => {
    if (next === 'n') return '\n';
    if (next === '\\' || next === '"') return next;
    throw new Error(`a bad escape: ${text}`);
  });
}

function checkHistogram({ name, samples }: ScrapedFamily): void {
  const groups = new Map<string, { les: number[]; counts: number[]; count?: number }>();
  for (const sample of samples) {
    const rest = [...sample.labels].filter(([label]) => label !== 'le').sort();
    const key = JSON.stringify(rest);
    const group: { les: number[]; counts: number[]; count?: number } = groups.get(key) ?? {
      les: [],
      counts: [],
    };
    groups.set(key, group);
    if (sample.name === `${name}_count`) group.count = sample.value;
    const le = sample.labels.get('le');
    if ((sample.name === `${name}_bucket`) !== (le !== undefined))
      throw new Error(`a le out of place in ${name}`);
    if (le === undefined) continue;
    group.les.push(Number(le.replace('Inf', 'Infinity')));
    group.counts.push(sample.value);
  }
  for (const { les, counts, count } of groups.values()) {
    const rises = (list: number[], strict: boolean): boolean =>
      list.every((value, i) => i === 0 || (strict ? value > list[i - 1]! : value >= list[i - 1]!));
    if (!rises(les, true) || !rises(counts, false)) throw new Error(`the buckets of ${name} do not increase`);
    if (les.at(-1) !== Infinity) throw new Error(`${name} has no +Inf bucket`);
    if (count !== undefined && count !== counts.at(-1))
      throw new Error(`the +Inf bucket of ${name} is not its count`);
  }
}
