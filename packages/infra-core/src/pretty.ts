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
  const colours = isatty(1) && !process.env.NO_COLOR;
  const paint = (code: number, text: string): string => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { write: (line) => destination.write(format(line, paint)) };
}

function format(line: string, paint: (code: number, text: string) => string): string {
  let fields: Line;
  try {
    fields = JSON.parse(line) as Line;
  } catch {
    return line;
  }
  const { level, time, msg = '', err, service: _, ...rest } = fields;
  const [name, colour] = LEVELS[level] ?? [String(level), 0];
  const clock = new Date(time).toISOString().slice(11, 23);
  const pairs = Object.entries(rest).map(([key, value]) => `${paint(90, `${key}=`)}${show(value)}`);
  const head = [paint(90, clock), paint(colour, name), msg, ...pairs].filter(Boolean).join(' ');
  const stack = isRecord(err) ? `\n${indent(String(err.stack ?? err.message))}` : '';
  return `${head}${stack}\n`;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const show = (value: unknown): string =>
  typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);

const indent = (text: string): string => text.replace(/^/gm, '  ');
