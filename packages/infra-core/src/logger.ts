import { contextIds } from './context.ts';
import { messageOf } from './errors.ts';
import { redact } from './redaction.ts';
import { slot } from './slots.ts';

/** From the loudest to the quietest. */
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** Writes one line: fields and a message, or a message alone. An `Error` among the fields goes under `err`. */
export interface LogMethod {
  (fields: object, message?: string): void;
  (message: string): void;
}

/** A structured logger. pino's loggers are one. */
export interface Logger extends Record<LogLevel, LogMethod> {
  /** A logger that adds `bindings` to every line. */
  child(bindings: Record<string, unknown>): Logger;
  /** True when a line of this level would be written: ask before computing costly fields. */
  isLevelEnabled(level: string): boolean;
  /** Writes what is buffered. */
  flush?(): void;
}

interface LoggerSlot {
  /** The logger behind every facade. */
  backend?: Logger;
  /** Makes it at first use. Set when `@vibeonrails/infra-core/logging` is loaded. */
  make?: () => Logger;
}

let shared: LoggerSlot | undefined;

/** What stands behind the facade, shared by every copy of core. */
export function loggerSlot(): LoggerSlot {
  // Kept here because it is asked for on every line, and the slot never changes hands.
  shared ??= slot<LoggerSlot>('logger', 1, () => ({}));
  return shared;
}

const LEVELS: Record<LogLevel, number> = { fatal: 60, error: 50, warn: 40, info: 30, debug: 20, trace: 10 };

/** Until logging is loaded: warnings and worse as JSON lines on stderr, everything else is dropped. */
function writeToStderr(level: LogLevel, bindings: object, first: object | string, message?: string): void {
  if (LEVELS[level] < LEVELS.warn) return;
  const fields = lineOf(first, message);
  const head = { level: LEVELS[level], time: Date.now() };
  const write = (line: object): boolean => process.stderr.write(`${JSON.stringify(line)}\n`);
  try {
    write({ ...head, ...redact({ ...bindings, ...contextIds(), ...fields }) });
  } catch (problem) {
    write({ ...head, msg: fields.msg, unwritable: messageOf(problem) });
  }
}

/** As pino does: an error in place of fields goes under `err`, and its message is the line's where there is none. */
function lineOf(first: object | string, message: string | undefined): { readonly msg: string | undefined } {
  if (typeof first === 'string') return { msg: first };
  const fields: { err?: unknown } = first instanceof Error ? { err: first } : first;
  return { ...fields, msg: message ?? (fields.err instanceof Error ? fields.err.message : undefined) };
}

function facade(bindings: Record<string, unknown>): Logger {
  let backend: Logger | undefined;
  let bound: Logger | undefined;
  /** The backend's own child, made once per backend: after that a facade costs one comparison. */
  const current = (): Logger | undefined => {
    const held = shared ?? loggerSlot();
    if (held.backend === undefined && held.make !== undefined) held.backend = held.make();
    if (held.backend !== backend) {
      backend = held.backend;
      bound = backend && Object.keys(bindings).length > 0 ? backend.child(bindings) : backend;
    }
    return bound;
  };
  const method =
    (level: LogLevel): LogMethod =>
    (first: object | string, message?: string) => {
      const target = current();
      if (target === undefined) writeToStderr(level, bindings, first, message);
      else if (typeof first === 'string') target[level](first);
      else target[level](first, message);
    };
  return {
    fatal: method('fatal'),
    error: method('error'),
    warn: method('warn'),
    info: method('info'),
    debug: method('debug'),
    trace: method('trace'),
    child: (more) => facade({ ...bindings, ...more }),
    isLevelEnabled: (level) =>
      current()?.isLevelEnabled(level) ?? (LEVELS[level as LogLevel] ?? 0) >= LEVELS.warn,
    flush: () => current()?.flush?.(),
  };
}

/**
 * The process's logger, as packages use it. It writes through pino once `@vibeonrails/infra-core/logging` is
 * loaded anywhere in the process; until then warnings and worse go to stderr as JSON lines.
 */
export const logger: Logger = facade({});

/** Logs where a throw would do harm: a line that the logger cannot write goes to stderr in its place. */
export function logSafely(level: LogLevel, fields: object, message: string): void {
  try {
    logger[level](fields, message);
  } catch {
    writeToStderr(level, {}, fields, message);
  }
}
