import { isatty } from 'node:tty';
import { type DestinationStream, type LoggerOptions, pino } from 'pino';
import type { Env } from './config.ts';
import { contextIds } from './context.ts';
import { type Logger, type LogLevel, loggerSlot } from './logger.ts';
import { prettyStream } from './pretty.ts';
import { CENSOR, redact } from './redaction.ts';
import { serviceName, settings } from './settings.ts';

export { type Logger, type LogLevel, type LogMethod, logger } from './logger.ts';
export { REDACTED } from './redaction.ts';

/** How a logger is made. */
export interface CreateLoggerOptions {
  /** @default LOG_LEVEL, else 'info' */
  level?: LogLevel | 'silent';
  /** The service's name, on every line. @default SERVICE_NAME, else OTEL_SERVICE_NAME, else the name in package.json */
  name?: string;
  /** More paths to redact, in pino's form (`user.ssn`, `*.iban`). pino looks them up on every line, which costs. */
  redact?: readonly string[];
  /** Readable lines in place of JSON. @default LOG_PRETTY, else true on a terminal outside of production */
  pretty?: boolean;
  /** Where the lines go. @default standard output, written synchronously, so that no line is lost at exit */
  destination?: { write(line: string): void };
  /** Fields on every line beside `service`. */
  bindings?: Record<string, unknown>;
  /** @default process.env */
  env?: Env;
}

/**
 * A pino logger as this project uses it: JSON lines on standard output, written synchronously, secrets redacted,
 * with `trace_id`, `span_id` and `request_id` of the current context on every line.
 *
 * @throws {@link ConfigError} `E_CONFIG` when LOG_LEVEL or LOG_PRETTY holds something else.
 */
export function createLogger(options: CreateLoggerOptions = {}): Logger {
  const env = options.env ?? process.env;
  const values = settings.read(env);
  const pretty =
    options.pretty ??
    values.LOG_PRETTY ??
    (!options.destination && values.NODE_ENV !== 'production' && isatty(1));
  const destination: DestinationStream = options.destination ?? pino.destination({ dest: 1, sync: true });
  const made = pino(
    pinoOptions(
      options.level ?? values.LOG_LEVEL,
      { service: options.name ?? serviceName(env), ...options.bindings },
      options.redact,
    ),
    pretty ? prettyStream(destination) : destination,
  );
  // pino hands a child's bindings to no hook of ours. Grandchildren inherit this method.
  const { child } = made;
  made.child = function (this: typeof made, bindings: object, ...rest: unknown[]) {
    return Reflect.apply(child, this, [redact(bindings), ...rest]);
  } as typeof child;
  return made as Logger;
}

/** The options {@link createLogger} gives to pino: the same for a bare pino that should log alike. */
export function pinoOptions(
  level: string,
  base: Record<string, unknown>,
  paths: readonly string[] = [],
): LoggerOptions {
  return {
    level,
    base: Object.fromEntries(Object.entries(base).filter(([, value]) => value !== undefined)),
    // pino's own redaction takes most of a line's time, ours a tenth of that; it serves the caller's paths alone.
    ...(paths.length > 0 ? { redact: { paths: [...paths], censor: CENSOR } } : {}),
    formatters: { log: redact, bindings: redact },
    // Errors are spelled out by redact() already.
    serializers: { err: (fields: unknown) => fields },
    mixin: contextIds,
  };
}

/** Makes `replacement` the process's logger, behind every package and every installed copy of core. */
export function setLogger(replacement: Logger): void {
  loggerSlot().backend = replacement;
}

/** Loading this module puts pino behind the logger of every package; it is made from the environment at first use. */
loggerSlot().make ??= createLogger;
