import { isatty } from 'node:tty';
import type { DestinationStream, LoggerOptions } from 'pino';
import { pino } from 'pino';
import type { Env } from './config.ts';
import { currentContext } from './context.ts';
import { type Logger, type LogLevel, loggerSlot } from './logger.ts';
import { prettyStream } from './pretty.ts';
import { serviceName, settings } from './settings.ts';

export type { Logger, LogLevel, LogMethod } from './logger.ts';

/** Fields whose value is never written, at the top of a line, one level down, and in HTTP headers. */
export const REDACTED: readonly string[] = [
  'password',
  'passwd',
  'secret',
  'token',
  'accessToken',
  'refreshToken',
  'apiKey',
  'authorization',
  'cookie',
  'privateKey',
  'creditCard',
]
  .flatMap((name) => [name, `*.${name}`])
  .concat([
    'headers["set-cookie"]',
    'headers["x-api-key"]',
    'req.headers.authorization',
    'req.headers.cookie',
    'req.headers["x-api-key"]',
    'res.headers["set-cookie"]',
  ]);

/** How a logger is made. */
export interface CreateLoggerOptions {
  /** @default LOG_LEVEL, else 'info' */
  level?: LogLevel | 'silent';
  /** The service's name, on every line. @default SERVICE_NAME, else OTEL_SERVICE_NAME, else the name in package.json */
  name?: string;
  /** More paths to redact, in pino's form (`user.ssn`, `*.iban`). */
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
    (!options.destination && env.NODE_ENV !== 'production' && isatty(1));
  const destination: DestinationStream = options.destination ?? pino.destination({ dest: 1, sync: true });
  return pino(
    pinoOptions(
      options.level ?? values.LOG_LEVEL,
      { service: options.name ?? serviceName(env), ...options.bindings },
      options.redact ?? [],
    ),
    pretty ? prettyStream(destination) : destination,
  ) as Logger;
}

/** The options {@link createLogger} gives to pino: the same for a bare pino that should log alike. */
export function pinoOptions(
  level: string,
  base: Record<string, unknown>,
  redact: readonly string[] = [],
): LoggerOptions {
  return {
    level,
    base: Object.fromEntries(Object.entries(base).filter(([, value]) => value !== undefined)),
    redact: { paths: [...REDACTED, ...redact], censor: '[redacted]' },
    mixin: contextIds,
  };
}

function contextIds(): object {
  const { trace, requestId } = currentContext();
  if (!trace) return requestId ? { request_id: requestId } : {};
  const ids = { trace_id: trace.traceId, span_id: trace.spanId };
  return requestId ? { ...ids, request_id: requestId } : ids;
}

/** Stands behind {@link logger} until its first use, then gives way to the real one. */
const unmade: object = new Proxy(
  {},
  {
    get: (_, property, receiver) => Reflect.get(make(), property, receiver),
    has: (_, property) => Reflect.has(make(), property),
    set: (_, property, value, receiver) => Reflect.set(make(), property, value, receiver),
  },
);

/**
 * The process's logger, on pino, made from the environment at first use. Loading this module also puts it behind
 * the logger that every other package uses.
 *
 * ```ts
 * logger.info({ userId }, 'signed up');
 * logger.child({ part: 'billing' }).warn('card expires soon');
 * ```
 */
export const logger: Logger = Object.create(unmade) as Logger;

function make(): Logger {
  const made = createLogger();
  Object.setPrototypeOf(logger, made);
  return made;
}

/** Makes `replacement` the process's logger: behind every package, and behind {@link logger}. */
export function setLogger(replacement: Logger): void {
  Object.setPrototypeOf(logger, replacement);
  loggerSlot().backend = replacement;
}

loggerSlot().backend ??= logger;
