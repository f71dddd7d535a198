import type { Row } from './rows.ts';
import { figure, type Machine, machineLine, table } from './terminal.ts';

/** What a run of benchmarks comes to. */
export interface Report {
  readonly module: string;
  readonly machine: Machine;
  /** The versions measured against. */
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
  /** Cases that could not be run, and why. */
  readonly skipped: readonly { readonly case: string; readonly reason: string }[];
}

/** A report for people. */
export function formatReport({ module, machine, versions, rows, skipped }: Report): string {
  const measured = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const head = ['case', 'candidate', 'figure', '±', 'ours ÷ it', 'target', 'met'];
  return [
    `${module}: ${rows[0] ? `medians of ${rows[0].rounds} rounds` : 'no figures'}, each candidate in a process of its own`,
    [machineLine(machine), ...measured].join(' · '),
    '',
    table([head, ...[...byCase(rows).values()].flatMap(linesOf)]),
    ...skipped.map(({ case: name, reason }) => `skipped: ${name}: ${reason}`),
  ].join('\n');
}

function byCase(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(row.case, [...(groups.get(row.case) ?? []), row]);
  return groups;
}

/** One line for ours and one for each peer; the rows of one case differ in their target alone. */
function linesOf(rows: readonly Row[]): string[][] {
  const [first] = rows;
  if (!first) return [];
  const of = (name: string): string => percent(first.spread[name] ?? null);
  const lines = [[first.case, 'ours', `${figure(first.ours)} ${first.unit}`, of('ours'), '', '', '']];
  for (const [name, value] of Object.entries(first.peers)) {
    const row = rows.find(({ baseline }) => baseline === name);
    const ratio = row?.ratio ?? (first.ours !== null && value ? first.ours / value : null);
    const met = row?.met == null ? '' : row.met ? 'yes' : 'no';
    lines.push(['', name, `${figure(value)} ${first.unit}`, of(name), times(ratio), row?.target ?? '', met]);
  }
  return lines;
}

const percent = (share: number | null): string => (share === null ? '' : `${(share * 100).toFixed(1)} %`);
const times = (ratio: number | null): string => (ratio === null ? '' : `${ratio.toFixed(2)} ×`);
