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
  /** Set when `@vibeonrails/infra-core/logging` is loaded. */
  backend?: Logger;
}

/** The logger behind the facade, shared by every copy of core. */
export const loggerSlot = (): LoggerSlot => slot<LoggerSlot>('logger', 1, () => ({}));

const LEVELS: Record<LogLevel, number> = { fatal: 60, error: 50, warn: 40, info: 30, debug: 20, trace: 10 };

/** Until logging is loaded: warnings and worse as JSON lines on stderr, everything else is dropped. */
function writeToStderr(level: LogLevel, bindings: object, first: object | string, message?: string): void {
  const fields = typeof first === 'string' ? { msg: first } : { ...describe(first), msg: message };
  try {
    process.stderr.write(
      `${JSON.stringify({ level: LEVELS[level], time: Date.now(), ...bindings, ...fields })}\n`,
    );
  } catch {
    process.stderr.write(`${JSON.stringify({ level: LEVELS[level], time: Date.now(), msg: message })}\n`);
  }
}

function describe(fields: object): object {
  const named = fields instanceof Error ? { err: fields } : { ...fields };
  const { err } = named as { err?: unknown };
  if (!(err instanceof Error)) return named;
  const { name, message, stack, ...rest } = err;
  return { ...named, err: { type: name, message, stack, ...rest } };
}

function facade(bindings: Record<string, unknown>): Logger {
  let backend: Logger | undefined;
  let bound: Logger | undefined;
  /** The backend's own child, made once per backend: after that a facade costs one comparison. */
  const current = (): Logger | undefined => {
    const installed = loggerSlot().backend;
    if (installed !== backend) {
      backend = installed;
      bound = installed && Object.keys(bindings).length > 0 ? installed.child(bindings) : installed;
    }
    return bound;
  };
  const method =
    (level: LogLevel): LogMethod =>
    (first: object | string, message?: string) => {
      const target = current();
      if (target) typeof first === 'string' ? target[level](first) : target[level](first, message);
      else if (LEVELS[level] >= LEVELS.warn) writeToStderr(level, bindings, first, message);
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
