import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';

/** Where and when something was measured. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  /** Work waiting for a processor when the run began, over one minute: well above `cores`, the figures mean little. */
  readonly load: number;
}

/** This machine, now. */
export function thisMachine(): Machine {
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

/** A machine as one line. */
export function machineLine({ date, cpu, cores, memoryGiB, platform, node, load }: Machine): string {
  return `${date} · ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${platform}, load ${load} · Node.js ${node}`;
}

/** Rows of text with their columns lined up; the first row is the heading. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const [head = [], ...body] = rows;
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...body.map(line)].join('\n');
}

/** A figure for people: four digits that count, with thousands apart. */
export function figure(value: number | null): string {
  if (value === null) return '–';
  const digits = Math.max(0, 4 - Math.max(1, Math.ceil(Math.log10(Math.abs(value) || 1))));
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

/** Something the caller typed wrong: shown without a stack. */
export class UsageError extends Error {}

/** What a command line asks for. */
export interface Command {
  readonly module: string | undefined;
  readonly help: boolean;
  readonly json: boolean;
  /** Other options, by name. */
  readonly options: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads `<module> [--json] [--help]` and these further options, each with a value.
 *
 * @throws {@link UsageError} for anything else.
 */
export function readCommand(args: readonly string[], options: readonly string[]): Command {
  const texts = Object.fromEntries(options.map((name) => [name, { type: 'string' as const }]));
  try {
    const { values, positionals } = parseArgs({
      // pnpm passes the `--` that separates a script's own options along.
      args: args.filter((arg) => arg !== '--'),
      allowPositionals: true,
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' }, ...texts },
    });
    if (positionals.length > 1) throw new Error(`One module at a time, not ${positionals.join(', ')}.`);
    const { json = false, help = false, ...rest } = values as { json?: boolean; help?: boolean };
    return { module: positionals[0], json, help, options: rest };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** A whole number from 1 up among the options. @throws {@link UsageError} for anything else. */
export function countOption(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} takes a whole number from 1 up, not "${text}".`);
}
