import { isatty } from 'node:tty';

type Line = Record<string, unknown> & { level: number; time: number; msg?: string };

const LEVELS: Record<number, readonly [name: string, colour: number]> = {
  10: ['TRACE', 90],
  20: ['DEBUG', 36],
  30: ['INFO ', 32],
  40: ['WARN ', 33],
  50: ['ERROR', 31],
  60: ['FATAL', 35],
};

/** Turns pino's JSON lines into lines for a person: time, level, message, then the fields. Anything else passes as it is. */
export function prettyStream(destination: { write(line: string): void }): { write(line: string): void } {
  // Node knows NO_COLOR, FORCE_COLOR and the terminal.
  const colours = isatty(1) && process.stdout.hasColors();
  const paint = (code: number, text: string): string => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  return {
    write(line) {
      let readable = line;
      try {
        readable = format(JSON.parse(line) as Line, paint);
      } catch {
        // Not one of pino's lines.
      }
      destination.write(readable);
    },
  };
}

function format(fields: Line, paint: (code: number, text: string) => string): string {
  const { level, time, msg = '', err, service: _, ...rest } = fields;
  const [name, colour] = LEVELS[level] ?? [String(level), 0];
  const { type: __, message, stack, ...details } = isRecord(err) ? err : { message: err };
  const pairs = Object.entries({ ...rest, ...details }).map(([k, v]) => `${paint(90, `${k}=`)}${show(v)}`);
  const head = [paint(90, timeOf(time)), paint(colour, name), printable(msg), ...pairs].filter(Boolean);
  const trouble = stack ?? message;
  return `${head.join(' ')}${trouble === undefined ? '' : `\n${indent(printable(String(trouble)))}`}\n`;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** Local time of day: a person compares it with the clock on the wall. */
function timeOf(time: number): string {
  const date = new Date(time);
  return `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

const show = (value: unknown): string =>
  typeof value === 'string' && /^[^\s"=\p{Cc}]+$/u.test(value) ? value : JSON.stringify(value);

/** Text from outside may hold sequences that would steer the terminal. */
const printable = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, '�');

const indent = (text: string): string => text.replace(/^/gm, '  ');
