// Log lines go to standard output as always, and the last ones are kept for the page.
import { createLogger, setLogger } from '@vibeonrails/infra/logging';

/** A line of pino's. */
export interface LogLine {
  trace_id?: string;
  msg: string;
  time: number;
}

const KEPT = 500;
const lines: LogLine[] = [];

/** The log lines of a trace, oldest first. */
export const linesOf = (traceId: string): LogLine[] => lines.filter((line) => line.trace_id === traceId);

/** Keeps what is logged from now on, beside writing it. */
export function keepLogs(): void {
  const plain = createLogger({ name: 'infra-demo', destination: { write: keep }, pretty: false });
  setLogger(plain);
}

function keep(line: string): void {
  process.stdout.write(line);
  lines.push(JSON.parse(line));
  if (lines.length > KEPT) lines.shift();
}
